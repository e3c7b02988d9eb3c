"""Options that several commands share, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from msgspec import structs

from bench.plan import axes, expand, feasibility
from bench.plan.axes import AXES, Value
from bench.plan.suite import Suite
from bench.schema.case import Case, MeasurementProtocol
from bench.stats.verdicts import FailOn
from models.errors import UserError, unknown
from reports import formats

MOST_MARGIN = 0.5

OneDevice = Annotated[str, typer.Option("--device", help="cpu, cuda or auto.")]

Texts = list[str] | None

SuiteName = Annotated[str, typer.Option("--suite", help="quick, standard, full or FILE.toml.")]
Model = Annotated[Texts, typer.Option("--model", help=AXES["model"].summary)]
Workload = Annotated[Texts, typer.Option("--workload", help=AXES["workload"].summary)]
Device = Annotated[Texts, typer.Option("--device", help=AXES["device"].summary)]
Precision = Annotated[Texts, typer.Option("--precision", help=AXES["precision"].summary)]
Engine = Annotated[Texts, typer.Option("--engine", help=AXES["engine"].summary)]
Layout = Annotated[Texts, typer.Option("--layout", help=AXES["layout"].summary)]
Tuning = Annotated[Texts, typer.Option("--tuning", help=AXES["tuning"].summary)]
Batch = Annotated[Texts, typer.Option("--batch", help=AXES["batch"].summary)]
Image = Annotated[Texts, typer.Option("--image", help=AXES["image"].summary)]
Channels = Annotated[Texts, typer.Option("--channels", help=AXES["channels"].summary)]
Classes = Annotated[Texts, typer.Option("--classes", help=AXES["classes"].summary)]
Threads = Annotated[Texts, typer.Option("--threads", help=AXES["threads"].summary)]
Seed = Annotated[Texts, typer.Option("--seed", help=AXES["seed"].summary)]
TargetCi = Annotated[
    str | None, typer.Option("--target-ci", help="Stop sampling at this half width, e.g. 1%.")
]
TimeLimit = Annotated[str | None, typer.Option("--time-limit", help="Seconds for each case.")]
Budget = Annotated[str | None, typer.Option("--budget", help="Seconds after which no further case begins.")]
Format = Annotated[str, typer.Option("--format", help=f"One of {', '.join(formats.names())}.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for the records and the report; without it nothing is kept."),
]
Margin = Annotated[str, typer.Option("--margin", help="Changes inside this share do not matter.")]


def given_axes(texts: Mapping[str, Texts]) -> dict[str, tuple[Value, ...]]:
    """The axes that were named, with their values. Raises UserError for a bad one."""
    return {axis: axes.read(axis, values) for axis, values in texts.items() if values}


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
