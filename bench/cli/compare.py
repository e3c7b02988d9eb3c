"""convbench compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options, output
from bench.cli.options import MOST_MARGIN, gate_of
from bench.plan import axes
from bench.stats.verdicts import FailOn
from models.errors import UserError


# long: its parameters are the command's options.
def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BASE NEW]", help="Two run folders or JSON files of pytest-benchmark: before and after."
        ),
    ] = None,
    base: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="A run before; repeat for several runs.")
    ] = None,
    new: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="A run after; repeat for several runs.")
    ] = None,
    margin: options.Margin = "2%",
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="[slower|any|inconclusive]",
            help=(
                "Exit with 1 if a case got worse (slower), changed at all (any), or got worse or cannot be "
                "decided (inconclusive), corrected for multiple comparisons."
            ),
        ),
    ] = None,
    plain_intervals: options.PlainIntervals = False,
    show_all: Annotated[bool, typer.Option("--all", help="Show equivalent and identical rows too.")] = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Compare two runs: is NEW faster or slower than BASE, and by how much?

    The md format is short, for a pull request's comment; --full adds all parts. Exits with 1 if nothing
    could be compared, or if --fail-on finds a reason to fail.
    """
    from reports import formats
    from reports.compare import compare_report as comparing
    from reports.compare.short_form import short_form
    from reports.pytest_files import saved_files

    output.check_format(format_)
    gate = gate_of(fail_on)
    share = axes.positive_number("--margin", margin, MOST_MARGIN)
    sides = _sides(runs or [], base or [], new or [])
    if any(saved_files.is_pytest_file(path) for side in sides for path in side):
        return _of_files(sides, share, gate, section, full, format_)
    found = comparing.build(
        *sides, margin=share, plain_intervals=plain_intervals, fail_on=gate, show_all=show_all
    )
    document = output.chosen(found.document, section, full)
    is_short = format_ == "md" and section is None and not full
    output.show(formats.content(format_, short_form(document) if is_short else document))
    for reason in found.gate.reasons if found.gate else ():
        output.complain(f"gate: {reason}")
    if found.is_empty:
        return output.complain("nothing was compared: no case matches on both sides", code=1)
    return 1 if found.gate and found.gate.reasons else 0


def _of_files(
    sides: tuple[list[Path], list[Path]],
    margin: float,
    fail_on: FailOn | None,
    section: str | None,
    full: bool,
    format_: str,
) -> int:
    """Of files of pytest-benchmark, or of one and a run."""
    from reports import formats
    from reports.pytest_files import session_comparison

    base, new = sides
    if len(base) != 1 or len(new) != 1:
        raise UserError("a file of pytest-benchmark is compared with one other file or run folder")
    found = session_comparison.build(base[0], new[0], margin=margin, fail_on=fail_on)
    output.show(formats.content(format_, output.chosen(found.document, section, full)))
    for reason in found.reasons:
        output.complain(f"gate: {reason}")
    if found.is_empty:
        return output.complain("nothing was compared: no benchmark is on both sides", code=1)
    return 1 if found.reasons else 0


def _sides(runs: list[Path], base: list[Path], new: list[Path]) -> tuple[list[Path], list[Path]]:
    usage = "Usage: convbench compare BASE NEW"
    if runs and (base or new):
        raise UserError(f"name the runs as BASE NEW, or with --base and --new, not both. {usage}")
    if runs and len(runs) != 2:
        raise UserError(
            f"compare needs two run folders, got {len(runs)}. {usage}, or --base FOLDER and --new FOLDER, "
            "repeated"
        )
    if runs:
        return [runs[0]], [runs[1]]
    if not base or not new:
        raise UserError(
            f"compare needs two runs, before and after. {usage}, or --base FOLDER --new FOLDER, repeated"
        )
    return base, new
