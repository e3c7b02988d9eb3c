"""convbench fleet report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from bench.cli import options, output
from bench.cli.options import MOST_MARGIN
from bench.plan import axes
from models.errors import unknown


# long: its parameters are the command's options.
def fleet_report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="The --out of `convbench fleet run`, or run folders of several machines or GPUs.",
        ),
    ],
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Take the center from this run or fleet, so that a fleet that is slow as a whole is seen.",
        ),
    ] = None,
    margin: Annotated[
        str, typer.Option("--margin", help="A GPU may be this much slower than the fleet's center.")
    ] = "3%",
    fail_on: Annotated[
        str,
        typer.Option(
            metavar="[slow|suspect|undecided]",
            help=(
                "Exit with 1 for a GPU that fleet confirm found slow (slow), for any suspect too, or for any "
                "that is not shown to be healthy (undecided)."
            ),
        ),
    ] = "slow",
    section: options.Section = None,
    full: options.Full = False,
    file: Path | None = None,  # -o of all commands, written with its plots
    format_: options.Format = "terminal",
) -> int:
    """Show which GPU of a fleet is slow, the likely cause, and what is missing.

    The csv and json formats have one row for each GPU, for health checks.
    """
    from reports import formats
    from reports.drawing import plots
    from reports.fleet import fleet_document

    output.check_format(format_)
    accepted = get_args(fleet_document.FailOn)
    if fail_on not in accepted:
        raise unknown("--fail-on", fail_on, accepted)
    found = fleet_document.build(
        list(dict.fromkeys(folders)),
        margin=axes.positive_number("--margin", margin, MOST_MARGIN),
        against=against,
        fail_on=cast(fleet_document.FailOn, fail_on),
    )
    document = output.chosen(found.document, section, full)
    if file is None:
        output.show(formats.content(format_, document))
        return found.code
    if format_ == "md" and (file.is_file() or not file.exists()):
        document = plots.write(document, file.with_name(f"{file.stem}-plots"))
    output.write(file, formats.content(format_, document))
    return found.code
