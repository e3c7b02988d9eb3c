"""convbench report: what the records of runs show."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options, output
from bench.store import RECORDS

_STDIN = (Path("-"), Path("/dev/stdin"))


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Run folders (the --out of earlier commands); - reads records from standard input.",
        ),
    ],
    file: Path | None = None,  # -o of all commands, written with its plots
    plain_intervals: options.PlainIntervals = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Show the report of one or more runs. With -o FILE, plots are saved next to the file."""
    from reports import formats
    from reports.drawing import plots
    from reports.pages import run_report as reporting

    with _with_records(folders) as read:
        document = reporting.build(read, plain_intervals=plain_intervals)
    document = output.chosen(document, section, full)
    if file is None:
        output.show(formats.render(format_, document))
        return 0
    # what is no file (/dev/stdout) has no place beside it
    if format_ == "md" and (file.is_file() or not file.exists()):
        document = plots.write(document, file.with_name(f"{file.stem}-plots"))
    output.write(file, formats.render(format_, document))
    return 0


@contextlib.contextmanager
def _with_records(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """The folders, with one that holds the records of standard input in the place of `-`."""
    with tempfile.TemporaryDirectory(prefix="convbench-") as made:
        stdin = Path(made) / "stdin"
        if any(folder in _STDIN for folder in folders):
            stdin.mkdir()
            (stdin / RECORDS).write_bytes(sys.stdin.buffer.read())
        yield list(dict.fromkeys(stdin if folder in _STDIN else folder for folder in folders))
