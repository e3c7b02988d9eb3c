"""convbench archive list."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.archive import archive_index, names
from bench.cli import completion, options, output
from bench.cli.archive_options import Archive, archive_of
from reports import formats
from reports.pages import archive_report


def archive_list(
    archive: Archive = None,
    label: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs with this label.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Only runs that measured this network.", autocompletion=completion.MODEL
        ),
    ] = None,
    *,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """List the runs of the archive.

    The newest come first; --full shows all of them, and json and csv have a row for each.
    """
    folder = archive_of(archive)
    listed = archive_index.listed(folder, label=label, model=model)
    document = archive_report.listing(folder, listed, names.pinned(folder))
    output.show(formats.content(format_, output.chosen(document, section, full)))
    return 1 if listed.damaged else 0
