"""convbench report: what the records of runs show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion, options, output
from models.errors import UserError


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that runs have written.")],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="md, or what the file's name ends with: html, csv, json.",
            autocompletion=completion.FORMAT,
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write here and not to the terminal.")
    ] = None,
    plain_intervals: options.PlainIntervals = False,
) -> int:
    """Say what the records of one or several runs show; with -o also the plots, in a folder beside."""
    from reports import formats
    from reports.drawing import plots
    from reports.pages import run_report as reporting

    chosen = format_ or _format_of(file)
    output.check_format(chosen)
    document = reporting.build(folders, plain_intervals=plain_intervals)
    if file is None:
        output.show(formats.render(chosen, document))
        return 0
    # what is no file (/dev/stdout) has no place beside it
    if chosen == "md" and (file.is_file() or not file.exists()):
        document = plots.write(document, file.with_name(f"{file.stem}-plots"))
    output.write(file, formats.render(chosen, document))
    return 0


_PLAIN = ("", "txt")
"""Ends of files that get markdown, which reads as text; `/dev/stdout` has none."""


def _format_of(file: Path | None) -> str:
    """The format that a file's name ends with; md for no file. UserError for an end that no format has."""
    from reports import formats

    end = file.suffix.removeprefix(".") if file else ""
    if end in _PLAIN:
        return "md"
    if end in formats.names():
        return end
    known = ", ".join(f".{name}" for name in (*formats.names(), "txt"))
    raise UserError(f"no report ends with .{end} as {file} does: accepted are {known}, or say --format")
