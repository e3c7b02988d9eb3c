"""convbench compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options, output
from bench.cli.options import MOST_MARGIN, gate_of
from bench.plan import axes
from models.errors import UserError


def compare(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[BASE NEW]", help="The folders of two runs.")
    ] = None,
    base: Annotated[list[Path] | None, typer.Option(help="A run before; repeat for several.")] = None,
    new: Annotated[list[Path] | None, typer.Option(help="A run after; repeat for several.")] = None,
    margin: options.Margin = "2%",
    fail_on: Annotated[
        str | None,
        typer.Option(help="slower (or lower) or any: exit with 1 when a row is, after Holm's correction."),
    ] = None,
    plain_intervals: options.PlainIntervals = False,
    format_: options.Format = "md",
) -> int:
    """Faster, slower, equivalent or inconclusive: NEW against BASE, a row at a time."""
    from reports import formats
    from reports.compare import compare_report as comparing
    from reports.compare import gate as comparison_gate

    output.check_format(format_)
    gate = gate_of(fail_on)
    share = axes.positive_number("--margin", margin, MOST_MARGIN)
    sides = _sides(runs or [], base or [], new or [])
    found = comparing.build(*sides, margin=share, plain_intervals=plain_intervals)
    output.show(formats.render(format_, found.document))
    if gate is None:
        return 0
    reasons = comparison_gate.gate_reasons(found, gate)
    for reason in reasons:
        output.complain(f"gate: {reason}")
    return 1 if reasons else 0


def _sides(runs: list[Path], base: list[Path], new: list[Path]) -> tuple[list[Path], list[Path]]:
    if runs and (base or new):
        raise UserError("name the runs as BASE NEW, or with --base and --new, not both")
    if runs and len(runs) != 2:
        raise UserError(
            f"compare takes two runs, BASE and NEW, not {len(runs)}; several go with --base, --new"
        )
    if runs:
        return [runs[0]], [runs[1]]
    if not base or not new:
        raise UserError("compare needs two runs: BASE NEW, or --base DIR --new DIR, each repeated as needed")
    return base, new
