"""convbench archive prune."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.archive import pruning
from bench.cli import options, output
from bench.cli.archive_options import Archive, archive_of
from reports import formats
from reports.pages import archive_report


def archive_prune(
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="30: the newest 30 per label; 90d: the last 90 days; weekly, monthly: the last of each. "
            "Repeatable: a run stays if any rule keeps it.",
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs with this label.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be removed; remove nothing.")
    ] = False,
    archive: Archive = None,
    *,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Remove the runs that no --keep rule keeps. Runs with a name stay.

    Leftovers of killed processes are removed too.
    """
    folder = archive_of(archive)
    found = pruning.prune(folder, keep or (), label=label, dry_run=dry_run)
    document = archive_report.pruned(folder, found, dry_run=dry_run)
    output.show(formats.content(format_, output.chosen(document, section, full)))
    return 0
