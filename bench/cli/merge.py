"""convbench merge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import exit_code, options, output


def merge(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, folders of runs, or fleets.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the merged records.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Add these runs to what --out holds already.")
    ] = False,
    format_: options.Format = "terminal",
) -> int:
    """Merge runs of several machines or shards into one folder, each record once.

    The order of the runs does not matter. Lines are kept as they are, and merged.json says which run each
    came from. If the command is interrupted, run it again: --out holds all records or those of before.

    Damaged lines are left out and named (exit code 3); a single damaged run is refused.

    Two different records of one process, shards of different plans, or warm and cold caches are refused.
    """
    from bench.fleet import merging
    from reports import formats
    from reports.pages import merge_report

    output.check_format(format_)
    result = merging.merge(runs, out, resume=resume)
    for note in result.notes:
        output.complain(note)
    output.show(formats.content(format_, merge_report.document(result, out)))
    return exit_code.INCOMPLETE if result.damaged else 0
