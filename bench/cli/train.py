"""convbench train: the accuracy of networks after a short training run, and how fast they train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import structs

from bench import datasets
from bench.cli import completion, exit_code, options, output, run_cases, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.host import cpu_cores
from bench.plan import axes, feasibility, node_names, recipes, shards, suite_plan, training_runs
from bench.plan.axes import AXES, NumericAxis
from bench.runner import plan_file
from bench.runner.run_options import RunOptions
from bench.schema.case import Case, MeasurementProtocol
from models.errors import UserError
from reports.pages import plan_report

if TYPE_CHECKING:
    from bench.runner.execute import RunResult
    from bench.schema.kept_plan import KeptPlan

TIME_LIMIT_SECONDS = 1e6
"""Without `--time-limit` a training run may take days."""


# long: its parameters are the command's options.
@axis_options
def train(
    *,
    models: options.Models,
    out: options.NewOut = None,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="digits (bundled), fashion-mnist, cifar10 or synthetic (speed only).",
            autocompletion=completion.of_names(lambda: datasets.datasets()),
        ),
    ] = "digits",
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder with the dataset. [default: downloaded to a cache]"),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="quick, textbook or modern.",
            autocompletion=completion.of_names(lambda: recipes.RECIPES),
        ),
    ] = "quick",
    epochs: Annotated[
        str | None, typer.Option(metavar="N", help="Number of epochs. [default: the recipe's]")
    ] = None,
    lr: Annotated[
        str | None, typer.Option(metavar="RATE", help="Learning rate. [default: the recipe's]")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help=f"Change a field of the recipe: {', '.join(recipes.FIELDS)}; repeatable.",
        ),
    ] = None,
    given: Annotated[Given, Axes("image", "batch")],
    seeds: Annotated[
        str, typer.Option(metavar="N", help="Training runs per case, one per seed: 5 or more to compare.")
    ] = "1",
    first_seed: Annotated[
        str, typer.Option(metavar="N", help="The seed of the first training run; each further one adds 1.")
    ] = "0",
    also_given: Annotated[
        Given,
        Axes(
            *("precision", "engine", "device", "layout", "tuning"),
            tuning="How cuDNN chooses, CUDA only: cudnn-exhaustive, cudnn-heuristics; or none.",
        ),
    ],
    gpu: options.Gpu = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Train one of N equal parts of all runs: 0/4 is the first, 3/4 the last. convbench merge "
            "unites the parts.",
        ),
    ] = None,
    node_name: options.NodeName = None,
    lock_clocks: options.LockClocks = None,
    threads: Annotated[str | None, typer.Option(metavar="N", help=AXES["threads"].summary)] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Report time and energy to this test accuracy, e.g. 90%."),
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Fail on operators without a deterministic version.")
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write TensorBoard curves here.")
    ] = None,
    time_limit: options.TimeLimit = None,
    budget: options.Budget = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue interrupted runs from their last finished epoch.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the cases, estimated time and disk use; train nothing.")
    ] = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Train networks briefly; report accuracy, speed and memory. The default dataset needs no download.

    On several machines, --shard I/N gives each machine 1/N of the seeds of every case.
    """
    output.check_format(format_)
    section_names.check("train", section, full=full)
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
        seed=_number("seed", first_seed, "--first-seed"),
    )
    usable = cpu_cores.usable_cores() if threads is None else _number("threads", threads)
    planned = training_runs.cases(request, usable)
    _refuse(planned, dataset, data_dir, tensorboard)
    protocol = suite_plan.protocol_of(
        MeasurementProtocol(time_limit_seconds=TIME_LIMIT_SECONDS), None, time_limit
    )
    budget_seconds = suite_plan.seconds_of(budget)
    name = None if node_name is None else node_names.checked(node_name)
    plan = training_runs.shard_of(planned, shard, protocol, name)
    if plan is not None and plan.shard is not None:
        planned = shards.of_shard(planned, plan.shard)
    if dry_run:
        output.show(plan_report.training_plan(planned, protocol, format_))
        return 0
    folder = output.kept_folder(out, resume=resume)
    if resume:
        plan_file.refuse_other_shard(folder, plan)
    run_options = structs.replace(run_options, data_dir=data_dir, tensorboard=tensorboard, node_name=name)
    is_auto = "auto" in given.get("device", ("auto",))
    result = _train(planned, protocol, folder, run_options, budget_seconds, resume, is_auto, plan)
    return exit_code.end(result, len(planned), lambda: _report(folder, format_, section, full))


def _overrides(assigned: Sequence[str], named: Mapping[str, str | None]) -> dict[str, str]:
    """Fields of the recipe that `--set`, `--epochs` and `--lr` set. Raises UserError."""
    texts = recipes.assignments(assigned)
    for field, text in named.items():
        if text is None:
            continue
        if field in texts:
            raise UserError(f"{field} is set twice, with --{field} and --set. Use one of them")
        texts[field] = text
    return texts


def _number(axis: str, text: str, option: str | None = None) -> int:
    """Of an option in the range of an axis, whose name it has unless another is given. Raises UserError."""
    kind = AXES[axis]
    assert isinstance(kind, NumericAxis)
    return axes.whole_number(option or f"--{axis}", text, kind.low, kind.high)


def _refuse(planned: Sequence[Case], dataset: str, data_dir: Path | None, tensorboard: Path | None) -> None:
    """Raise UserError for impossible wishes, as far as they are known before torch is imported."""
    feasibility.refuse_impossible(planned)
    missing = datasets.get(dataset).why_missing(data_dir)
    if missing:
        raise UserError(missing)
    if tensorboard is None:
        return
    if tensorboard.exists() and not tensorboard.is_dir():
        raise UserError(f"--tensorboard needs a folder, and {tensorboard} is a file")
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
    plan: KeptPlan | None,
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
            plan=plan,
            options=structs.replace(run_options, on_event=bar.on_event),
        )


def _report(out: Path, format_: str, section: str | None, full: bool) -> str | bytes:
    """Write report.md and the plots into the folder; what is chosen of the report in a format."""
    from reports import formats
    from reports.pages import run_report

    document = run_report.build([out])
    run_cases.publish(document, out, format_)
    return formats.content(format_, output.measured(document, section, full))
