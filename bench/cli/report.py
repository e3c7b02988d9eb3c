"""convbench report: what the records of runs show."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import options, output
from bench.store import RECORDS

if TYPE_CHECKING:
    from reports.document import Document

_STDIN = (Path("-"), Path("/dev/stdin"))


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Run folders (the --out of earlier commands), or JSON files of pytest-benchmark; - reads "
            "records from standard input.",
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

    document = _document(folders, plain_intervals=plain_intervals)
    document = output.chosen(document, section, full)
    if file is None:
        output.show(formats.content(format_, document))
        return 0
    # what is no file (/dev/stdout) has no place beside it
    if format_ == "md" and (file.is_file() or not file.exists()):
        document = plots.write(document, file.with_name(f"{file.stem}-plots"))
    output.write(file, formats.content(format_, document))
    return 0


def _document(paths: Sequence[Path], *, plain_intervals: bool) -> Document:
    """Of run folders, of files of pytest-benchmark, or of both side by side."""
    from reports.pages import run_report
    from reports.pytest_files import saved_files, session_report

    files = saved_files.read_all(paths)
    folders = [path for path in paths if not saved_files.is_pytest_file(path)]
    if not folders:
        return session_report.document(files)
    with _with_records(folders) as read:
        document = run_report.build(read, plain_intervals=plain_intervals)
    return session_report.beside_runs(document, files) if files else document


@contextlib.contextmanager
def _with_records(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """The folders, with one that holds the records of standard input in the place of `-`."""
    with tempfile.TemporaryDirectory(prefix="convbench-") as made:
        stdin = Path(made) / "stdin"
        if any(folder in _STDIN for folder in folders):
            stdin.mkdir()
            (stdin / RECORDS).write_bytes(sys.stdin.buffer.read())
        yield list(dict.fromkeys(stdin if folder in _STDIN else folder for folder in folders))
