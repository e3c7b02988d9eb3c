"""convbench ablate: what a design decision costs and buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench import devices
from bench.cli import completion, exit_code, options, output, run_cases
from bench.cli.axis_options import Axes, Given, axis_options
from bench.contracts.device import Scale
from bench.host import cpu_cores
from bench.plan import ablations, axes, feasibility, recipes, suite_plan
from bench.plan.ablations import Ablation
from bench.plan.axes import Value
from bench.schema.case import Case
from models.errors import UserError
from reports.pages import plan_report

_TRAINED_AXES = ("device", "precision", "engine")
"""What the options say for training runs too, whose batch and image are the recipe's."""


# long: its parameters are the command's options.
@axis_options
def ablate(
    *,
    name: Annotated[
        str,
        typer.Argument(
            help=f"{', '.join(ablations.ABLATIONS)}, or {ablations.ALL}.",
            autocompletion=completion.of_names(lambda: (*ablations.ABLATIONS, ablations.ALL)),
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the records, the report and the plots.")],
    level: Annotated[str | None, typer.Option(help="block or network; both without it.")] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Networks of ours instead of the usual ones.")
    ] = None,
    given: Annotated[
        Given,
        Axes(
            "device",
            "precision",
            "engine",
            "batch",
            "image",
            "threads",
            batch="Of the timed cases.",
            image="Of the timed cases, pixels.",
        ),
    ],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    replicates: Annotated[
        str | None, typer.Option(help="Processes for each timed case; 0 times nothing.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Training runs of each network; 0 trains nothing.")
    ] = None,
    epochs: Annotated[str | None, typer.Option(help="Of the training runs, instead of the recipe's.")] = None,
    budget: options.Budget = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run what is missing, crashed or timed out.")
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Run nothing: report what the folder holds.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    plain_intervals: options.PlainIntervals = False,
    format_: options.Format = "terminal",
) -> int:
    """Compare design decisions: what they cost in time and memory, and what they do to accuracy.

    Sizes are those of the machine, with a GPU or without; the options stand in their place.
    """
    output.check_format(format_)
    run_options = options.run_options_of(gpu, lock_clocks)
    models = [str(each) for each in axes.read("model", model)] if model else []
    at = ablations.sizes("large" if report_only else _scale_of(given))
    wanted = ablations.find(name, at, level=level, models=models)
    count = at.replicates if replicates is None else axes.whole_number("--replicates", replicates, 0, 1000)
    runs = at.seeds if seeds is None else axes.whole_number("--seeds", seeds, 0, 1000)
    overrides = {} if epochs is None else recipes.assignments([f"epochs={epochs}"])
    seconds = suite_plan.seconds_of(budget)
    planned = _planned(wanted, given, overrides, count, runs)
    if report_only:
        output.show(_report(wanted, out, format_, plain_intervals))
        return 0
    if dry_run:
        output.show(plan_report.dry_run(planned, at.protocol, format_))
        return 0
    auto = "auto" in given.get("device", ("auto",))
    result = run_cases.run(
        planned, at.protocol, out, resume=resume, budget=seconds, auto=auto, run_options=run_options
    )
    return exit_code.end(result, len(planned), lambda: _report(wanted, out, format_, plain_intervals))


def _scale_of(given: Mapping[str, tuple[Value, ...]]) -> Scale:
    """Of the largest device that is asked for."""
    names = [devices.auto() if name == "auto" else str(name) for name in given.get("device", ("auto",))]
    return "large" if any(devices.traits(name).scale == "large" for name in names) else "small"


def _planned(
    wanted: Sequence[Ablation],
    given: Mapping[str, tuple[Value, ...]],
    overrides: Mapping[str, str],
    replicates: int,
    seeds: int,
) -> list[Case]:
    """The processes in their order; UserError when none can run, as far as is known without torch."""
    usable = cpu_cores.usable_cores()
    of_training = {axis: given[axis] for axis in _TRAINED_AXES if axis in given}
    timed = ablations.timed_cases(wanted, given, usable) if replicates else []
    trained = [
        case
        for threads in given.get("threads", (usable,))
        for case in ablations.trained_cases(wanted, of_training, int(threads), overrides)
        if seeds
    ]
    planned = ablations.processes(timed, trained, replicates, seeds)
    if not planned:
        raise UserError("the plan is empty: --replicates 0 times nothing, --seeds 0 trains nothing")
    reasons = [feasibility.why_not_here(case) for case in planned]
    if all(reasons):
        raise UserError(f"nothing of this plan can run here: {reasons[0]}")
    return planned


def _report(wanted: Sequence[Ablation], out: Path, format_: str, plain_intervals: bool) -> str:
    """Write report.md and the plots into the folder; the report as text in a format."""
    from reports.ablations import ablations_report

    return run_cases.publish(
        ablations_report.build(wanted, [out], plain_intervals=plain_intervals), out, format_
    )
