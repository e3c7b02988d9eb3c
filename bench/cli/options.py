"""Options that several commands share, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from msgspec import structs

from bench import devices
from bench.cli import completion
from bench.plan import axes, expand, feasibility
from bench.plan.axes import AXES, Value
from bench.plan.suite import Suite
from bench.schema.case import Case, MeasurementProtocol
from bench.stats.verdicts import FailOn
from models.errors import UserError, unknown
from reports import formats

MOST_MARGIN = 0.5

OneDevice = Annotated[
    str,
    typer.Option(
        "--device", help=f"{', '.join(devices.devices())} or auto.", autocompletion=completion.DEVICE
    ),
]

Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL...", help=AXES["model"].summary, autocompletion=completion.MODEL),
]
SuiteName = Annotated[
    str, typer.Option("--suite", help="quick, standard, full or FILE.toml.", autocompletion=completion.SUITE)
]
TargetCi = Annotated[
    str | None, typer.Option("--target-ci", help="Stop sampling at this half width, e.g. 1%.")
]
TimeLimit = Annotated[str | None, typer.Option("--time-limit", help="Seconds for each case.")]
Budget = Annotated[str | None, typer.Option("--budget", help="Seconds after which no further case begins.")]
Format = Annotated[
    str,
    typer.Option("--format", help=f"One of {', '.join(formats.names())}.", autocompletion=completion.FORMAT),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for the records and the report; without it nothing is kept."),
]
Margin = Annotated[str, typer.Option("--margin", help="Changes inside this share do not matter.")]


def cases_of(suite: Suite, given: Mapping[str, tuple[Value, ...]]) -> list[Case]:
    """The plan's cases; UserError when none of them can run here as far as is known without torch."""
    from bench.host import cpu_cores

    cases = expand.cases(suite, given, cpu_cores.usable_cores())
    reasons = [feasibility.why_not_here(case) for case in cases]
    if all(reasons):
        raise UserError(f"nothing of this plan can run here: {reasons[0]}")
    return cases


def protocol_of(
    protocol: MeasurementProtocol, target_ci: str | None, time_limit: str | None
) -> MeasurementProtocol:
    """The suite's protocol with the options in their place."""
    if target_ci is not None:
        protocol = structs.replace(protocol, target_ci=axes.positive_number("--target-ci", target_ci, 1.0))
    if time_limit is not None:
        limit = axes.positive_number("--time-limit", time_limit, 1e7)
        protocol = structs.replace(protocol, time_limit_seconds=limit)
    return protocol


def seconds_of(budget: str | None) -> float | None:
    """The budget in seconds, or None."""
    return None if budget is None else axes.positive_number("--budget", budget, 1e8)


def gate_of(fail_on: str | None) -> FailOn | None:
    """What the gate fails on; UserError for a word that it does not know."""
    for accepted in get_args(FailOn):
        if fail_on == accepted:
            return cast(FailOn, accepted)
    if fail_on is None:
        return None
    raise unknown("--fail-on", fail_on, get_args(FailOn))
