"""The recipes of training runs in words, and where a run departed from its recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import datasets
from bench.schema.training_task import Recipe
from models import catalogue
from reports.analysis.learned import Learned
from reports.tables.wording import models_named

OWN_INIT_NOTE = (
    "A recipe's initialization applies to convbench's networks only; other networks keep their own initial "
    "weights."
)
SMOOTHING_NOTE = "With label smoothing the train loss uses the smoothed labels; the test loss never does."


def recipe_notes(runs: Sequence[Learned]) -> Iterator[str]:
    """A sentence for each recipe; where networks have rates of their own, each has its own sentence."""
    models: dict[Recipe, list[Learned]] = {}
    for run in runs:
        models.setdefault(run.task.recipe, []).append(run)
    names = [recipe.name for recipe in models]
    for recipe, found in models.items():
        shared = names.count(recipe.name) > 1
        of = f" for {models_named([run.subject.case for run in found])}" if shared else ""
        batches = sorted({run.subject.case.batch for run in found})
        yield f"{recipe.name}{of}: {recipe_words(recipe)}, batch {', '.join(map(str, batches))}."
    yield from _exceptions(runs)


def _exceptions(runs: Sequence[Learned]) -> Iterator[str]:
    """What a recipe asks for and was not done, and which loss is not comparable."""
    if any(catalogue.arch_of(run.subject.case.model) is None for run in runs):
        yield OWN_INIT_NOTE
    if any(run.task.recipe.label_smoothing for run in runs):
        yield SMOOTHING_NOTE
    asked = {(run.task.dataset, augmentation) for run in runs for augmentation in run.task.recipe.augment}
    for name in dict.fromkeys(run.task.dataset for run in runs):
        dataset = datasets.datasets().get(name)
        if dataset is None:  # another version of convbench has it
            continue
        idle = [
            *(["flip"] if not dataset.mirrors and (name, "flip") in asked else []),
            *(["pca"] if dataset.channels == 1 and (name, "pca") in asked else []),
        ]
        if idle:
            yield f"{' and '.join(idle)}: skipped on {name}, whose images do not allow it."


def recipe_words(recipe: Recipe) -> str:
    """`SGD, learning rate 0.05 (constant), no momentum, ...`: every field, defaults too."""
    epochs = "epoch" if recipe.warmup_epochs == 1 else "epochs"
    warmup = f"after {recipe.warmup_epochs:g} {epochs} of warm-up " if recipe.warmup_epochs else ""
    plain = {"momentum": recipe.momentum, "weight decay": recipe.weight_decay}
    optional = [f"{name} {value:g}" if value else f"no {name}" for name, value in plain.items()]
    smoothing = [f"label smoothing {recipe.label_smoothing:g}"] if recipe.label_smoothing else []
    augmented = f"augmentation {', '.join(recipe.augment)}" if recipe.augment else "no augmentation"
    return ", ".join(
        (
            f"SGD, learning rate {recipe.lr:g} {warmup}({recipe.schedule})",
            *optional,
            *smoothing,
            augmented,
            f"{recipe.init} initialization",
            "normalized images" if recipe.normalise else "images not normalized",
            f"{recipe.epochs} epochs",
        )
    )
