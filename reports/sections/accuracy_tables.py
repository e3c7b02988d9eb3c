"""The accuracy tables: what each case learned, how fast it trained, and how it went from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from bench.engines import engines
from bench.schema.metrics import PEAKS
from bench.schema.plurals import how_many
from bench.stats.accuracy_verdicts import AT_CHANCE
from reports.analysis.learned import ACCURACY_KEY, Learned, Together, mean_by_epoch, seeds_text, together
from reports.cells import Cell
from reports.document import Part, Table, TableKey
from reports.sections.recipe_words import recipe_notes
from reports.summary.machine_labels import machine_text
from reports.tables.case_columns import NOT_SHOWN, TableLine, TableScope, in_words, table, varying
from reports.tables.wording import (
    MIB,
    ONE_SEED_NOTE,
    interval_notes,
    mean_percent,
    of_seeds,
    percent,
    remarks,
)

ACCURACY_PART = Part("accuracy", "Accuracy")
SPEED_PART = Part("training-speed", "Training speed")
EPOCHS_PART = Part("epochs", "Training by epoch", in_appendix=True)
EPOCHS_SHOWN = 20
"""A longer training shows about as many, evenly spaced, and the first and the last."""

ACCURACY_COLUMNS = (
    "test accuracy (%)",
    "lowest seed (%)",
    "train accuracy (%)",
    "seeds",
    "epochs",
    "remarks",
)
SPEED_COLUMNS = (
    "images/s (training steps)",
    "images/s (with data loading)",
    "training (s)",
    "to target (s)",
    "energy to target (J)",
    "peak memory (MiB)",
    "skipped steps",
    "remarks",
)
OPTIONAL = (
    *("lowest seed (%)", "epochs", "seeds", "train accuracy (%)", "skipped steps", "energy to target (J)"),
    *("images/s (with data loading)", "peak memory (MiB)", "images/s (training steps)", "remarks"),
)
ACCURACY_NOTE = (
    "test accuracy: after the last epoch, never the best epoch; ± is the 95% interval of the mean over "
    "seeds, in points. It covers other seeds, not other test images. train accuracy: of the training images "
    "(at most 10,000), with the same weights, without augmentation."
)
SPEED_NOTE = (
    "images/s with data loading includes the preparation of the images. images/s are medians of the epochs "
    "after the first (warm-up) and exclude evaluation, as does the training time."
)
COMPILE_NOTE = "training and to target include compile time."
TARGET_NOTE = "to target: training time until the first epoch whose test accuracy reached the target."
MEMORY_NOTE = (
    "peak memory: the lowest of the epochs' peaks, as the first epoch also tries algorithms; on a GPU of the "
    "tensors, on a CPU of the process, above its start."
)
SKIPPED_NOTE = (
    "skipped steps: gradients overflowed in fp16. The loss scale is then halved and never raised again "
    "(torch raises it after 2,000 steps)."
)
CHANCE = "at-chance"
CHANCE_NOTE = (
    f"{CHANCE}: no better than guessing (at most {AT_CHANCE:g} times as often right); the network did not "
    "learn and is left out of rankings."
)
EPOCH_COLUMNS = {
    "train_loss": ("train loss", 1.0),
    "train_accuracy": ("train accuracy (%)", 100.0),
    "test_loss": ("test loss", 1.0),
    "test_accuracy": ("test accuracy (%)", 100.0),
    "loop_rate": ("images/s", 1.0),
}
"""By metric: the column, and how many of its unit one of the record's is."""
EPOCH_NOTE = (
    "train loss and accuracy: as measured during the training steps, so they lag behind the weights at the "
    "end of the epoch, which classify the test images. images/s: of the whole loop."
)


def accuracy_tables(runs: Sequence[Learned], scope: TableScope) -> Iterator[Table]:
    """For the runs that may be ranked together what they learned, then how fast they trained; nothing
    without training runs."""
    groups = together(runs)
    told: set[str] = set()
    for key, several in groups.items():
        where = where_in_words(key, groups)
        if any(run.is_judged for run in several):
            yield _once(_accuracy(key, several, where, scope), told)
    for key, several in groups.items():
        if any(run.ended for run in several):
            yield _once(_speed(several, where_in_words(key, groups), scope), told)


def key_of(group: Together) -> TableKey:
    """Of a table of accuracies, under which the curves stand."""
    return TableKey("accuracy", (group.dataset, group.device, str(group.threads), *group.machine))


def where_in_words(group: Together, groups: Mapping[Together, object]) -> str:
    """`digits`, or with what distinguishes several groups on digits: `digits, 2 threads, machine A`"""
    alike = [other for other in groups if other.dataset == group.dataset]
    words = [group.dataset]
    if len({other.device for other in alike}) > 1:
        words.append(group.device)
    if len({other.threads for other in alike}) > 1:
        words.append(how_many(group.threads, "thread"))
    if len({other.machine for other in alike}) > 1 and group.machine:
        words.append(f"machine {machine_text(group.machine)}")
    return ", ".join(words)


def _once(found: Table, told: set[str]) -> Table:
    """Without the notes that stand under an earlier table."""
    notes = tuple(note for note in found.notes if note not in told)
    told.update(notes)
    return structs.replace(found, notes=notes)


def _accuracy(group: Together, runs: Sequence[Learned], where: str, scope: TableScope) -> Table:
    shown = [run for run in runs if run.is_judged]
    lines = [TableLine(subject=run.subject, cells=_accuracy_cells(run)) for run in shown]
    notes = [
        ACCURACY_NOTE,
        *interval_notes((line.cells[0] for line in lines), ONE_SEED_NOTE),
        *([CHANCE_NOTE] if any(run.is_at_chance for run in runs) else []),
        *recipe_notes(runs),
    ]
    found = _of_group(f"Accuracy on {where}", ACCURACY_COLUMNS, lines, scope, notes, ("target",))
    return structs.replace(found, part=ACCURACY_PART, key=key_of(group))


def _speed(runs: Sequence[Learned], where: str, scope: TableScope) -> Table:
    lines = [TableLine(subject=run.subject, cells=_speed_cells(run)) for run in runs if run.ended]
    notes = [
        SPEED_NOTE,
        *interval_notes((cell for line in lines for cell in line.cells), ONE_SEED_NOTE),
        *([COMPILE_NOTE] if any(engines()[run.subject.case.engine].compiles for run in runs) else []),
        *([TARGET_NOTE] if any(run.task.target for run in runs) else []),
        *([MEMORY_NOTE] if any(peak_of(run) for run in runs) else []),
        *([SKIPPED_NOTE] if any(run.value("skipped_steps") for run in runs) else []),
        *([] if any(run.is_judged for run in runs) else recipe_notes(runs)),
    ]
    found = _of_group(f"Training speed on {where}", SPEED_COLUMNS, lines, scope, notes)
    return structs.replace(found, part=SPEED_PART)


def _of_group(
    title: str,
    columns: Sequence[str],
    lines: Sequence[TableLine],
    scope: TableScope,
    notes: Sequence[str],
    without: Sequence[str] = (),
) -> Table:
    """Of runs that may be ranked together."""
    said = (*NOT_SHOWN, "dataset", "machine", *without)
    return table(title, columns, lines, scope, without=said, notes=notes, optional=OPTIONAL)


def epoch_tables(runs: Sequence[Learned]) -> Iterator[Table]:
    """For each case that has accuracies a row for each epoch, which is explained once."""
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
            part=EPOCHS_PART,
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


def _accuracy_cells(run: Learned) -> tuple[Cell, ...]:
    several = len(run.accuracies) > 1
    return (
        mean_percent(run.figures.get(ACCURACY_KEY)),
        percent(min(run.accuracies.values())) if several else None,
        percent(run.value("final_train_accuracy")),
        seeds_text(run),
        run.task.recipe.epochs,
        CHANCE if run.is_at_chance else None,
    )


def _speed_cells(run: Learned) -> tuple[Cell, ...]:
    peak = peak_of(run)
    return (
        run.value("step_rate"),
        run.value("loop_rate"),
        _seconds(run, "training_time"),
        to_target(run),
        run.value("energy_to_target"),
        None if peak is None else peak / MIB,
        round(run.value("skipped_steps") or 0) or None,
        remarks(list(run.figures.values())),
    )


def _seconds(run: Learned, metric: str) -> Cell:
    figure = run.figure(metric)
    return of_seeds(figure) if figure else None


def to_target(run: Learned) -> Cell:
    """Seconds over the seeds that reached it, and how many did where some did not."""
    if run.task.target is None or not run.is_judged:
        return None
    figure = run.figure("time_to_target")
    if figure is None:
        return "not reached"
    reached = len(set(figure.replicates))
    if reached == run.seeds:
        return of_seeds(figure)
    return f"{figure.median:.3g} ({reached} of {run.seeds} seeds)"


def peak_of(run: Learned) -> float | None:
    """In bytes."""
    return next((value for value in map(run.value, PEAKS) if value is not None), None)
