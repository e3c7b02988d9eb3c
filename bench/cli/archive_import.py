"""convbench archive import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.archive import importers, importing
from bench.cli import completion, options, output
from bench.cli.archive_options import Archive, archive_of
from reports import formats
from reports.pages import import_report

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="CSV of timm's benchmark.py, JSON of hyperfine --export-json or of pytest --benchmark-json.",
    ),
]
Label = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Label of the files, such as nightly; prune counts each label separately."
    ),
]
Tool = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TOOL",
        help="timm, hyperfine or pytest-benchmark. [default: by the content of each file]",
        autocompletion=completion.of_names(importers.by_tool),
    ),
]
At = Annotated[
    str,
    typer.Option(
        metavar="DATE",
        help="When they were measured, such as 2026-11-30T02:00:00+01:00. "
        "[default: the date in the file, else when it was last written]",
    ),
]
Machine = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="GPU or CPU that they were measured on. [default: the processor in the file, else unknown]",
    ),
]
Variant = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Part of the name of each benchmark, for what the file does not say, such as amp-nhwc.",
    ),
]


def archive_import(
    files: Files,
    label: Label = "",
    tool: Tool = None,
    at: At = "",
    machine: Machine = "",
    variant: Variant = "",
    archive: Archive = None,
    *,
    format_: options.Format = "terminal",
) -> int:
    """Copy files of timm, hyperfine and pytest-benchmark into the archive, as series of their own.

    trend shows the series. They are never pooled or compared with runs of convbench. The archive is created
    if needed; a file with the same bytes is kept once.
    """
    output.check_format(format_)
    wish = importing.Import(label=label, tool=tool, at=at, machine=machine, variant=variant)
    folder = archive_of(archive)
    found = [importing.add(folder, file, wish) for file in files]
    output.show(formats.content(format_, import_report.document(folder, found)))
    return 0
