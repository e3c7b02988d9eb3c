"""The accuracy tables: what each case learned and how fast, and how it went from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench import datasets
from bench.engines import engines
from bench.schema.metrics import PEAKS
from bench.schema.training_task import Recipe
from bench.stats.accuracy_verdicts import AT_CHANCE, is_at_chance
from models import catalogue
from reports.analysis.learned import ACCURACY_KEY, Learned, mean_by_epoch, seeds_text
from reports.cells import Cell
from reports.document import Table, TableKey
from reports.tables.case_columns import NOT_SHOWN, TableLine, TableScope, in_words, table, varying
from reports.tables.wording import (
    MIB,
    ONE_SEED_NOTE,
    interval_notes,
    mean_percent,
    models_named,
    percent,
    remarks,
)

KEY = TableKey("accuracy")
TITLE = "Accuracy"
SPEED_TITLE = "Speed of training runs"
EPOCHS_SHOWN = 20
"""A longer training shows about as many, evenly spaced, and the first and the last."""

COLUMNS = (
    "test accuracy (%)",
    "lowest seed (%)",
    "train accuracy (%)",
    "seeds",
    "epochs",
    "images/s, steps",
    "images/s, loop",
    "training (s)",
    "to target (s)",
    "energy to target (J)",
    "peak memory (MiB)",
    "skipped steps",
    "remarks",
)
ACCURACY_NOTE = (
    "test accuracy: after the last epoch, never the best of them; ± is the 95% interval of the mean over the "
    "seeds, in points. It says how another seed may differ, not how other test images would be classified. "
    "train accuracy: of the training images (10,000 of them where there are more), by the same weights and "
    "without augmentation."
)
SPEED_NOTE = (
    "images/s, steps: of the training steps alone; loop: with the images that are made ready for them. "
    "Both are medians of the epochs after the first, which warms up, unless it is the only one. "
    "Evaluation is in neither, nor in the seconds of training."
)
COMPILE_NOTE = "The seconds of training, and those to the target, include compilation."
TARGET_NOTE = "to target: the training time until the first epoch whose test accuracy reached the target."
MEMORY_NOTE = (
    "peak memory: the lowest of the epochs' peaks, as the first also tries algorithms; on a GPU what tensors "
    "held, on a CPU what the process held beyond its start."
)
SKIPPED_NOTE = (
    "skipped steps: those whose gradients overflowed in fp16. The loss scale is halved each time and never "
    "raised again, where torch raises it after 2,000 steps."
)
CHANCE = "at-chance"
CHANCE_NOTE = (
    f"{CHANCE}: no seed is right more than {AT_CHANCE:g} times as often as guessing: nothing was learned."
)
OWN_INIT_NOTE = (
    "A recipe's initialisation is for convbench's own networks: others begin as their makers leave them."
)
SMOOTHING_NOTE = "With label smoothing the train loss is by smoothed labels; the test loss never is."
EPOCH_COLUMNS = {
    "train_loss": ("train loss", 1.0),
    "train_accuracy": ("train accuracy (%)", 100.0),
    "test_loss": ("test loss", 1.0),
    "test_accuracy": ("test accuracy (%)", 100.0),
    "loop_rate": ("images/s", 1.0),
}
"""By metric: the column, and how many of its unit one of the record's is."""
EPOCH_NOTE = (
    "train loss and accuracy are those of the training steps as they ran, so they lag behind the weights of "
    "the epoch's end, by which the test images are classified. images/s: of the whole loop."
)


def accuracy_tables(runs: Sequence[Learned], scope: TableScope) -> Iterator[Table]:
    """A row for each case, synthetic data among them; nothing without training runs."""
    if not runs:
        return
    judged = any(run.is_judged for run in runs)
    lines = [TableLine(subject=run.subject, cells=_cells(run)) for run in runs]
    notes = [
        *([ACCURACY_NOTE] if judged else []),
        *interval_notes((line.cells[0] for line in lines), ONE_SEED_NOTE),
        SPEED_NOTE,
        *([COMPILE_NOTE] if any(engines()[run.subject.case.engine].compiles for run in runs) else []),
        *([TARGET_NOTE] if any(run.task.target for run in runs) else []),
        *([CHANCE_NOTE] if any(map(_is_at_chance, runs)) else []),
        *([MEMORY_NOTE] if any(_peak(run) for run in runs) else []),
        *([SKIPPED_NOTE] if any(run.value("skipped_steps") for run in runs) else []),
        *_recipes(runs),
        *_recipes_exceptions(runs),
    ]
    yield table(
        TITLE if judged else SPEED_TITLE,
        COLUMNS,
        lines,
        scope,
        key=KEY,
        without=NOT_SHOWN,
        always=("dataset", "recipe"),
        notes=notes,
    )


def epoch_tables(runs: Sequence[Learned]) -> Iterator[Table]:
    """For each case that has accuracies the textbook's table, which is explained once."""
    note: tuple[str, ...] = (EPOCH_NOTE,)
    for run in runs:
        curves = [(run.curves.get(metric), *shown) for metric, shown in EPOCH_COLUMNS.items()]
        present = [(curve, column, scale) for curve, column, scale in curves if curve]
        if not run.accuracies or not present:
            continue
        means = [[scale * value for value in mean_by_epoch(curve)] for curve, _, scale in present]
        yield Table(
            title=_epochs_title(run, runs),
            columns=("epoch", *(column for _, column, _ in present)),
            rows=tuple(
                (epoch, *(values[epoch - 1] for values in means)) for epoch in _shown(min(map(len, means)))
            ),
            notes=note,
        )
        note = ()


def _epochs_title(run: Learned, runs: Sequence[Learned]) -> str:
    """`Epochs of vgg-small on digits, quick, amp-bf16 (mean of 3 seeds)`"""
    alike = [
        other.subject
        for other in runs
        if other.subject.case.model == run.subject.case.model
        and (other.task.dataset, other.task.recipe.name) == (run.task.dataset, run.task.recipe.name)
    ]
    words = in_words(run.subject, varying(alike))
    seeds = "one seed" if len(run.ended) == 1 else f"mean of {len(run.ended)} seeds"
    model, dataset, recipe = run.subject.case.model, run.task.dataset, run.task.recipe.name
    return f"Epochs of {model} on {dataset}, {', '.join(filter(None, (recipe, words)))} ({seeds})"


def _shown(epochs: int) -> list[int]:
    step = math.ceil(epochs / EPOCHS_SHOWN)
    return sorted({1, *range(step, epochs + 1, step), epochs}) if epochs else []


def _cells(run: Learned) -> tuple[Cell, ...]:
    peak = _peak(run)
    several = len(run.accuracies) > 1
    return (
        mean_percent(run.figures.get(ACCURACY_KEY)),
        percent(min(run.accuracies.values())) if several else None,
        percent(run.value("final_train_accuracy")),
        seeds_text(run),
        run.task.recipe.epochs,
        run.value("step_rate"),
        run.value("loop_rate"),
        run.value("training_time"),
        _to_target(run),
        run.value("energy_to_target"),
        None if peak is None else peak / MIB,
        round(run.value("skipped_steps") or 0) or None,
        _remarks(run),
    )


def _remarks(run: Learned) -> Cell:
    """The labels of warnings, and whether anything was learned."""
    labels = [CHANCE if _is_at_chance(run) else None, remarks(list(run.figures.values()))]
    return ", ".join(str(label) for label in labels if label) or None


def _is_at_chance(run: Learned) -> bool:
    found = list(run.accuracies.values())
    return bool(found) and is_at_chance(found, run.subject.case.classes)


def _to_target(run: Learned) -> Cell:
    """Seconds over the seeds that reached it, and how many did where some did not."""
    if run.task.target is None or not run.is_judged:
        return None
    figure = run.figure("time_to_target")
    if figure is None:
        return "not reached"
    reached, seeds = len(set(figure.replicates)), len(run.ended | run.diverged)
    return figure.median if reached == seeds else f"{figure.median:.4g} ({reached} of {seeds} seeds)"


def _peak(run: Learned) -> float | None:
    return next((value for value in map(run.value, PEAKS) if value is not None), None)


def _recipes(runs: Sequence[Learned]) -> Iterator[str]:
    """What each recipe is, in words; where networks have their own rates each has its own words."""
    models: dict[Recipe, list[Learned]] = {}
    for run in runs:
        models.setdefault(run.task.recipe, []).append(run)
    names = [recipe.name for recipe in models]
    for recipe, found in models.items():
        shared = names.count(recipe.name) > 1
        of = f" for {models_named([run.subject.case for run in found])}" if shared else ""
        batches = sorted({run.subject.case.batch for run in found})
        yield f"{recipe.name}{of}: {recipe_words(recipe)}, batch {', '.join(map(str, batches))}."


def _recipes_exceptions(runs: Sequence[Learned]) -> Iterator[str]:
    """Where a recipe says something that was not done, or a loss that is not the other's."""
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
            yield f"{' and '.join(idle)}: not done to {name}, whose images do not allow it."


def recipe_words(recipe: Recipe) -> str:
    """`SGD, learning rate 0.05, constant, no momentum, ...`: every field, defaults too."""
    epochs = "epoch" if recipe.warmup_epochs == 1 else "epochs"
    warmup = f"after {recipe.warmup_epochs:g} {epochs} of warm-up " if recipe.warmup_epochs else ""
    plain = {"momentum": recipe.momentum, "weight decay": recipe.weight_decay}
    optional = [f"{name} {value:g}" if value else f"no {name}" for name, value in plain.items()]
    smoothing = [f"label smoothing {recipe.label_smoothing:g}"] if recipe.label_smoothing else []
    augmented = f"augmented by {', '.join(recipe.augment)}" if recipe.augment else "no augmentation"
    return ", ".join(
        (
            f"SGD, learning rate {recipe.lr:g} {warmup}({recipe.schedule})",
            *optional,
            *smoothing,
            augmented,
            f"{recipe.init} initialisation",
            "normalised images" if recipe.normalise else "images not normalised",
            f"{recipe.epochs} epochs",
        )
    )
