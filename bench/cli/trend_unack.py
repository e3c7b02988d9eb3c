"""convbench trend unack."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import completion, options, output
from bench.cli.archive_options import Archive, archive_of


def trend_unack(
    steps: Annotated[
        list[str],
        typer.Argument(
            metavar="STEP...", help="Names of acknowledged changes.", autocompletion=completion.ACKNOWLEDGED
        ),
    ],
    archive: Archive = None,
    *,
    format_: options.Format = "terminal",
) -> int:
    """Take back what trend ack recorded.

    The changes are told again, and `--fail-on new-step` fails on those toward slower.
    """
    from bench.archive import acknowledged, archive_folder
    from reports import formats
    from reports.over_time import acknowledged_report

    folder = archive_of(archive)
    archive_folder.require(folder)
    removed = acknowledged.withdraw(folder, steps)
    output.show(formats.content(format_, acknowledged_report.document(folder, removed, is_withdrawn=True)))
    return 0
