"""convbench archive verify."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.archive import archive_folder, verifying
from bench.cli import options, output
from bench.cli.archive_options import Archive, archive_of, digest_of
from reports import formats
from reports.pages import archive_report


def archive_verify(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="@NAME or the first digits of an id. [default: all]"),
    ] = None,
    archive: Archive = None,
    *,
    format_: options.Format = "terminal",
) -> int:
    """Read every byte of the archive and list what has changed.

    Exits with 1 if something is damaged. Without convbench, `sha256sum -c SHA256SUMS` in an entry's folder
    checks its files.
    """
    folder = archive_of(archive)
    archive_folder.require(folder)
    found = verifying.verify(folder, [digest_of(folder, run) for run in runs or ()])
    output.show(formats.content(format_, archive_report.verified(folder, found)))
    return 1 if found.damaged or found.dangling else 0
