"""convbench train: what networks learn in a short training run, how fast, at which precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import structs

from bench import datasets
from bench.cli import completion, exit_code, options, output, run_cases
from bench.cli.axis_options import Axes, Given, axis_options
from bench.host import cpu_cores
from bench.plan import axes, recipes, suite_plan, training_runs
from bench.plan.axes import AXES, NumericAxis
from bench.runner.run_options import RunOptions
from bench.schema.case import Case, MeasurementProtocol
from models.errors import UserError
from reports.pages import plan_report

if TYPE_CHECKING:
    from bench.runner.execute import RunResult

TIME_LIMIT_SECONDS = 1e6
"""A training run may take days; `--time-limit` says otherwise."""


# long: its parameters are the command's options.
@axis_options
def train(
    *,
    models: options.Models,
    out: Annotated[Path, typer.Option(help="Folder for the records, the report and the plots.")],
    dataset: Annotated[
        str,
        typer.Option(
            help="digits, fashion-mnist, cifar10 or synthetic.",
            autocompletion=completion.of_names(lambda: datasets.datasets()),
        ),
    ] = "digits",
    data_dir: Annotated[
        Path | None, typer.Option(help="A folder that holds the dataset; downloaded to a cache without it.")
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="quick, textbook or modern.", autocompletion=completion.of_names(lambda: recipes.RECIPES)
        ),
    ] = "quick",
    epochs: Annotated[str | None, typer.Option(help="Instead of the recipe's.")] = None,
    lr: Annotated[str | None, typer.Option(help="Learning rate instead of the recipe's.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help=f"Any field of the recipe, FIELD=VALUE: {', '.join(recipes.FIELDS)}."),
    ] = None,
    given: Annotated[Given, Axes("image", "batch")],
    seeds: Annotated[str, typer.Option(help="Training runs of each case, one a seed.")] = "1",
    seed: Annotated[str, typer.Option(help="The first seed.")] = "0",
    also_given: Annotated[Given, Axes("precision", "engine", "device", "layout")],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    threads: Annotated[str | None, typer.Option(help=AXES["threads"].summary)] = None,
    target: Annotated[
        str | None, typer.Option(help="Test accuracy, e.g. 0.90 or 90%, to which time and energy are taken.")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="An operator that is not deterministic is an error.")
    ] = False,
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard's curves.")] = None,
    time_limit: options.TimeLimit = None,
    budget: options.Budget = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last finished epoch of what is missing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    format_: options.Format = "terminal",
) -> int:
    """Train networks and report accuracy beside speed and memory. The bundled digits need no download."""
    output.check_format(format_)
    run_options = options.run_options_of(gpu, lock_clocks)
    given = {"model": axes.read("model", models), **given, **also_given}
    request = training_runs.TrainingRequest(
        axes=given,
        dataset=dataset,
        recipe=recipe,
        overrides=_overrides(set_ or [], {"epochs": epochs, "lr": lr}),
        target=None if target is None else axes.positive_number("--target", target, 1.0),
        deterministic=deterministic,
        seeds=axes.whole_number("--seeds", seeds, 1, 1000),
        seed=_number("seed", seed),
    )
    usable = cpu_cores.usable_cores() if threads is None else _number("threads", threads)
    planned = training_runs.cases(request, usable)
    _refuse(planned, dataset, data_dir, tensorboard)
    protocol = suite_plan.protocol_of(
        MeasurementProtocol(time_limit_seconds=TIME_LIMIT_SECONDS), None, time_limit
    )
    budget_seconds = suite_plan.seconds_of(budget)
    if dry_run:
        output.show(plan_report.training_plan(planned, format_))
        return 0
    run_options = structs.replace(run_options, data_dir=data_dir, tensorboard=tensorboard)
    is_auto = "auto" in given.get("device", ("auto",))
    result = _train(planned, protocol, out, run_options, budget_seconds, resume, is_auto)
    return exit_code.end(result, len(planned), lambda: _report(out, format_))


def _overrides(assigned: Sequence[str], named: Mapping[str, str | None]) -> dict[str, str]:
    """Fields of the recipe that `--set` and the options of their own name set. Raises UserError."""
    texts = recipes.assignments(assigned)
    for field, text in named.items():
        if text is None:
            continue
        if field in texts:
            raise UserError(f"{field} is set twice: by --{field} and by --set")
        texts[field] = text
    return texts


def _number(axis: str, text: str) -> int:
    kind = AXES[axis]
    assert isinstance(kind, NumericAxis)
    return axes.whole_number(f"--{axis}", text, kind.low, kind.high)


def _refuse(planned: Sequence[Case], dataset: str, data_dir: Path | None, tensorboard: Path | None) -> None:
    """Raise UserError for what cannot be, as far as that is known at once."""
    reason = training_runs.why_impossible(planned)
    if reason:
        raise UserError(f"nothing of this plan can run here: {reason}")
    missing = datasets.get(dataset).why_missing(data_dir)
    if missing:
        raise UserError(missing)
    if tensorboard is None:
        return
    if tensorboard.exists() and not tensorboard.is_dir():
        raise UserError(f"{tensorboard} is a file, and --tensorboard takes a folder")
    if find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs the package tensorboard: pip install 'convbench[tensorboard]'")


def _train(
    planned: Sequence[Case],
    protocol: MeasurementProtocol,
    out: Path,
    run_options: RunOptions,
    budget: float | None,
    resume: bool,
    auto: bool,
) -> RunResult:
    from bench.cli import progress
    from bench.runner import execute as runner

    with progress.training(planned) as bar:
        return runner.run_plan(
            planned,
            protocol,
            out,
            resume=resume,
            budget_seconds=budget,
            on_progress=bar.on_progress,
            auto=auto,
            options=structs.replace(run_options, on_event=bar.on_event),
        )


def _report(out: Path, format_: str) -> str:
    """Write report.md and the plots into the folder; the report as text in a format."""
    from reports.pages import run_report

    return run_cases.publish(run_report.build([out]), out, format_)
