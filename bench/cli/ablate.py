"""convbench ablate: what a design choice costs and does to accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from bench import devices
from bench.cli import completion, exit_code, options, output, run_cases, section_names
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
"""Options that apply to training runs too, whose batch and image are the recipe's."""


# long: its parameters are the command's options.
@axis_options
def ablate(
    *,
    name: Annotated[
        str,
        typer.Argument(
            help=f"{', '.join(ablations.ABLATIONS)} or {ablations.ALL}.",
            autocompletion=completion.of_names(lambda: (*ablations.ABLATIONS, ablations.ALL)),
        ),
    ],
    out: options.NewOut = None,
    level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="block or network. [default: both]")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME,…", help="Built-in networks. [default: those of the ablation]"),
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
            batch="Batch size of the timed cases.",
            image="Image size of the timed cases, in pixels.",
        ),
    ],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    replicates: Annotated[
        str | None,
        typer.Option(metavar="N", help="Processes per timed case; 0 skips timing. [default: 3]"),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N", help="Training runs per network; 0 skips training. [default: 3]"),
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(metavar="N", help="Epochs of the training runs. [default: the recipe's]")
    ] = None,
    budget: options.Budget = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue this run: measure only missing or failed cases.")
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Measure nothing; report the records in --out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the cases, estimated time and disk use; measure nothing.")
    ] = False,
    plain_intervals: options.PlainIntervals = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure what a design choice costs in time and memory and does to accuracy.

    Without options sizes are smaller on a CPU than on a GPU.
    """
    output.check_format(format_)
    section_names.check("ablate", section, full=full)
    run_options = options.run_options_of(gpu, lock_clocks)
    models = [str(each) for each in axes.read("model", model)] if model else []
    at = ablations.sizes("large" if report_only else _scale_of(given))
    wanted = ablations.find(name, at, level=level, models=models)
    count = at.replicates if replicates is None else axes.whole_number("--replicates", replicates, 0, 1000)
    runs = at.seeds if seeds is None else axes.whole_number("--seeds", seeds, 0, 1000)
    overrides = {} if epochs is None else recipes.assignments([f"epochs={epochs}"])
    seconds = suite_plan.seconds_of(budget)
    planned = _planned(wanted, given, overrides, count, runs)
    if report_only and out is None:
        raise UserError("--report-only needs --out FOLDER (the run to report)")
    folder = output.kept_folder(out, resume=resume)
    shown = _Shown(
        wanted, folder, format_, plain_intervals, section, full, _repeated(level, model, given, epochs)
    )
    if report_only:
        output.show(_report(shown))
        return 0
    if dry_run:
        output.show(plan_report.dry_run(planned, at.protocol, format_))
        return 0
    auto = "auto" in given.get("device", ("auto",))
    result = run_cases.run(
        planned, at.protocol, folder, resume=resume, budget=seconds, auto=auto, run_options=run_options
    )
    return exit_code.end(result, len(planned), lambda: _report(shown))


class _Shown(NamedTuple):
    """What is to be reported, and how; `options` are those that a further run must repeat."""

    wanted: Sequence[Ablation]
    out: Path
    format_: str
    plain_intervals: bool
    section: str | None
    full: bool
    options: tuple[str, ...]


def _repeated(
    level: str | None,
    models: Sequence[str] | None,
    given: Mapping[str, tuple[Value, ...]],
    epochs: str | None,
) -> tuple[str, ...]:
    """The options that say what is compared, as typed, for a further command."""
    words = ["--level", level] if level else []
    words += [word for model in models or () for word in ("--model", model)]
    for axis, values in given.items():
        words += [f"--{axis}", ",".join(map(str, values))]
    return (*words, *(("--epochs", epochs) if epochs else ()))


def _scale_of(given: Mapping[str, tuple[Value, ...]]) -> Scale:
    """Of the largest device asked for."""
    names = [devices.auto() if name == "auto" else str(name) for name in given.get("device", ("auto",))]
    return "large" if any(devices.traits(name).scale == "large" for name in names) else "small"


def _planned(
    wanted: Sequence[Ablation],
    given: Mapping[str, tuple[Value, ...]],
    overrides: Mapping[str, str],
    replicates: int,
    seeds: int,
) -> list[Case]:
    """The processes in measuring order; UserError if none can run, as far as is known without torch."""
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
        raise UserError("nothing to measure: --replicates 0 skips timing and --seeds 0 skips training")
    feasibility.refuse_impossible(planned)
    return planned


def _report(shown: _Shown) -> str | bytes:
    """Write report.md and the plots into the folder; what is chosen of the report in a format."""
    from reports import formats
    from reports.ablations import ablations_report
    from reports.sections.asked import Asked

    asked = Asked(out=shown.out, is_used=True, options=shown.options)
    document = ablations_report.build(shown.wanted, [shown.out], asked, plain_intervals=shown.plain_intervals)
    run_cases.publish(document, shown.out, shown.format_)
    return formats.content(shown.format_, output.measured(document, shown.section, shown.full))
