"""convbench archive add."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.archive import archive_index, entries
from bench.cli import options, output
from bench.cli.archive_options import Archive, archive_of
from reports import formats
from reports.pages import archive_report


def archive_add(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Run folders, fleets, or folders of run --gpu all and of ab."),
    ],
    label: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Label of the runs, such as nightly; prune counts each label separately."
        ),
    ] = "",
    archive: Archive = None,
    *,
    format_: options.Format = "terminal",
) -> int:
    """Copy runs into the archive, which is created if needed.

    All that a report reads is kept: records and plans, and of a fleet the state of its jobs. A run with the
    same records is kept once, under its first label; archive label gives it another.
    """
    output.check_format(format_)
    folder = archive_of(archive)
    added = [entries.add(folder, run, label) for run in runs]
    there = archive_index.listed(folder)
    output.show(formats.content(format_, archive_report.added(folder, added, there, label)))
    return 0
