"""A command line -> training runs: cases with a task, in the order of training. No torch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from bench import datasets, devices
from bench.host import cpu_cores
from bench.plan import expand, recipes, shards
from bench.plan.axes import Value
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from bench.schema.training_task import TrainingTask
from models import catalogue
from models.blocks import is_block
from models.errors import UserError

SUITE = "train"
"""Of a plan of training runs."""


class TrainingRequest(Struct, frozen=True, kw_only=True):
    """What is to be trained.

    axes       model, and whichever of device, precision, engine, layout, tuning, batch, image are given, each
               with its values; what is absent is usual, or the recipe's
    overrides  fields of the recipe that are set, as texts
    seeds      training runs of each case
    seed       of the first
    """

    axes: Mapping[str, tuple[Value, ...]]
    dataset: str = "digits"
    recipe: str = "quick"
    overrides: Mapping[str, str] = {}
    target: float | None = None
    deterministic: bool = False
    seeds: int = 1
    seed: int = 0


_USUAL: Mapping[str, tuple[Value, ...]] = {
    "device": ("auto",),
    "precision": ("fp32",),
    "engine": ("eager",),
    "layout": ("nchw",),
    "tuning": ("",),
}


def cases(request: TrainingRequest, threads: int) -> list[Case]:
    """All runs: seed 1 of every case before seed 2 of any. Raises UserError."""
    wanted = {**_USUAL, **request.axes}
    combinations = [dict(zip(wanted, values, strict=True)) for values in itertools.product(*wanted.values())]
    once = [_case(request, fields, threads) for fields in combinations]
    return expand.interleave_replicates(list(dict.fromkeys(once)), request.seeds)


def shard_of(
    planned: Sequence[Case], text: str | None, protocol: MeasurementProtocol, node_name: str | None
) -> KeptPlan | None:
    """The plan whose part `--shard` asks for; None where it asks for none. Raises UserError."""
    shard = shards.read(text)
    if shard is None:
        return None
    shards.refuse_empty(planned, shard, "--seeds")
    return KeptPlan(
        suite=SUITE,
        cases=list(dict.fromkeys(structs.replace(case, replicate=1) for case in planned)),
        ceilings=False,
        auto=False,
        protocol=protocol,
        replicates=max(case.replicate for case in planned),
        shard=shard,
        node_name=node_name,
    )


def _case(request: TrainingRequest, fields: dict[str, Value], threads: int) -> Case:
    model = str(fields["model"])
    if is_block(model):
        raise UserError(f"{model} has no classifier and cannot be trained. Time it with `convbench run`")
    dataset = datasets.get(request.dataset)
    prescribed = recipes.find(request.recipe, model)
    recipe = recipes.changed(prescribed.recipe, request.overrides)
    if request.target is not None and not dataset.learns:
        raise UserError(f"--target needs a dataset with labels to learn, got {dataset.name!r}")
    task = TrainingTask(
        dataset=dataset.name, recipe=recipe, target=request.target, deterministic=request.deterministic
    )
    case = Case(
        model=model,
        workload="accuracy",
        batch=prescribed.batch,
        image=prescribed.image,
        channels=_channels(model, dataset.channels),
        classes=dataset.classes,
        threads=threads,
        seed=request.seed,
        task=task,
    )
    given = {axis: value for axis, value in fields.items() if axis != "model"}
    if given["device"] == "auto":
        given["device"] = devices.auto()
    if request.deterministic and given["tuning"]:
        raise UserError("--deterministic and --tuning both choose cuDNN's algorithms. Use one of them")
    return structs.replace(case, **given)


def _channels(model: str, own: int) -> int:
    """The dataset's, or three equal ones of a grey image for a network that takes nothing else."""
    return 3 if isinstance(catalogue.parse(model), catalogue.Torchvision) else own


def options_of(case: Case) -> tuple[str, ...]:
    """The options of `convbench train` that ask for this training run, without model, --seeds and --out."""
    task = case.task
    assert task is not None, "a training run has a task"
    base = min(recipes.RECIPES, key=lambda name: len(_departures(case, name)))
    prescribed = recipes.find(base, case.model)
    usual = {axis: values[0] for axis, values in _USUAL.items()}
    usual |= {"device": devices.auto(), "batch": prescribed.batch, "image": prescribed.image}
    words = [] if task.dataset == _DEFAULTS.dataset else ["--dataset", task.dataset]
    words += [] if base == _DEFAULTS.recipe else ["--recipe", base]
    for field, text in _departures(case, base).items():
        words += ["--set", f"{field}={text}"]
    for axis, value in usual.items():
        if getattr(case, axis) != value:
            words += [f"--{axis}", str(getattr(case, axis))]
    if case.threads != cpu_cores.usable_cores():
        words += ["--threads", str(case.threads)]
    words += ["--first-seed", str(case.seed)] if case.seed else []
    words += [] if task.target is None else ["--target", f"{task.target:g}"]
    return (*words, *(["--deterministic"] if task.deterministic else []))


_DEFAULTS = TrainingRequest(axes={})


def _departures(case: Case, base: str) -> dict[str, str]:
    """The fields in which a run's recipe is not the one of this name, as `--set` takes them."""
    assert case.task is not None, "a training run has a task"
    own, prescribed = case.task.recipe, recipes.find(base, case.model).recipe
    return {
        field: recipes.shown(getattr(own, field))
        for field in recipes.FIELDS
        if getattr(own, field) != getattr(prescribed, field)
    }
