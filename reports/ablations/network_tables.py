"""A network with one design choice changed: its cost and speed, and its accuracy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.schema.case import Case
from bench.schema.phases import WHOLE
from reports.ablations.explanation import GIGA
from reports.ablations.form_pairs import SAVED, TIME, TimedPair, TrainedPair, ratio_cell
from reports.ablations.phase_work import case_work
from reports.ablations.predictions import KernelRates, predicted, why_text
from reports.analysis.learned import ACCURACY_KEY, Learned, seeds_text
from reports.cells import Cell, Quantity
from reports.document import Table, TableKey
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject
from reports.tables.case_columns import NOT_SHOWN, TableLine, TableScope, table
from reports.tables.wording import (
    ONE_SEED_NOTE,
    PARITY_RULE,
    computed_ratio,
    interval_notes,
    mean_percent,
    milliseconds,
    percent,
    points,
    processes_text,
    remarks,
    signed_points,
    with_interval,
)

SPEED_NOTE = (
    "Ratios: form / base, of the wall time; the base is the first row of a network. FLOPs: of the whole "
    "training step, computed. saved: tensors that autograd keeps from forward to backward. peak: peak memory "
    "of a step."
)
ACCURACY_NOTE = (
    "test accuracy: after the last epoch, mean of the seeds ± its 95% interval. gap: train accuracy (in eval "
    "mode) minus test accuracy. difference: form minus base. step, loop: time per image / that of the base, "
    "of the training steps alone and with image preparation. gradient: gradient norm of the first weight / "
    "of the last, before training; far below 1 the first layers hardly learn."
)
PAIRED_FORMS_NOTE = (
    "by seed: both sides have the same seeds, so the same images in the same order, and the same initial "
    "weights where shapes agree."
)


def speed_table(
    title: str, sides: Sequence[TimedPair], peers: Mapping[Case, KernelRates] | None, scope: TableScope
) -> Iterator[Table]:
    """Base and forms of every network; with `peers` also why a step time differs from its prediction."""
    if not sides:
        return
    lines: list[TableLine] = []
    for base in dict.fromkeys(each.base for each in sides):
        forms = [each for each in sides if each.base == base]
        lines.append(_base_line(forms[0]))
        lines += [TableLine(subject=each.new, cells=tuple(_form_cells(each, peers))) for each in forms]
    columns = [
        "form",
        "parameters",
        "forward GFLOPs",
        "FLOPs",
        "inference",
        "forward",
        "backward",
        "step",
        "saved",
        "peak",
        "time (ms)",
        "processes",
        "remarks",
        "why",
    ]
    timed = {WHOLE[line.subject.case.workload] for line in lines}
    yield table(
        title,
        columns,
        lines,
        scope,
        without=("workload", "channels", "classes"),
        notes=[
            SPEED_NOTE + f" time: of the whole {' or '.join(sorted(timed))}. GFLOPs: per image.",
            *interval_notes(cell for line in lines for cell in line.cells),
        ],
    )


def _base_line(sides: TimedPair) -> TableLine:
    closed = case_work(sides.base.case)
    own = sides.base_figures[sides.base.case.workload]
    empty: tuple[Cell, ...] = (None,) * 7
    return TableLine(
        subject=sides.base,
        cells=(
            sides.comparison.base.label,
            closed.parameters,
            closed.flops_forward / GIGA,
            *empty,
            *_own_cells(sides.base, own),
            None,
        ),
    )


def _form_cells(sides: TimedPair, peers: Mapping[Case, KernelRates] | None) -> Iterator[Cell]:
    closed = case_work(sides.new.case)
    inference = sides.ratio("forward", "inference")
    yield sides.form.label
    yield closed.parameters
    yield closed.flops_forward / GIGA
    yield computed_ratio(predicted(sides, WHOLE[sides.new.case.workload]))
    yield with_interval(inference.value, inference.interval, unit="x") if inference else None
    for phase in ("forward", "backward", "step"):
        yield ratio_cell(sides, phase)
    yield _bytes_ratio(sides.both("training", SAVED))
    yield _bytes_ratio(sides.peaks)
    yield from _own_cells(sides.new, sides.new_figures[sides.new.case.workload])
    yield None if peers is None else why_text(sides, peers)


def _own_cells(subject: Subject, figures: Figures) -> tuple[Cell, ...]:
    """The time of the whole, the processes behind it, and remarks."""
    whole = figures.get((WHOLE[subject.case.workload], TIME))
    return milliseconds(whole), processes_text(list(figures.values())), remarks(list(figures.values()))


def _bytes_ratio(found: tuple[Figure, Figure] | None) -> Quantity | None:
    return computed_ratio(found[1].median / found[0].median) if found else None


def accuracy_table(
    title: str, key: TableKey, found: Sequence[TrainedPair], scope: TableScope
) -> Iterator[Table]:
    """Base and forms of every network that was trained; nothing where none was."""
    if not found:
        return
    lines = list(_accuracy_lines(found))
    columns = [
        "form",
        "test accuracy (%)",
        "train accuracy (%)",
        "gap (points)",
        "gradient",
        "training (s)",
        "seeds",
        "difference (points)",
        "verdict",
        "detectable (points)",
        "step",
        "loop",
        "reason",
    ]
    paired = any(trained_pair.difference.paired for trained_pair in found)
    cells = [cell for line in lines for cell in line.cells]
    yield table(
        title,
        columns,
        lines,
        scope,
        key=key,
        without=NOT_SHOWN,
        always=("recipe",),
        notes=[
            ACCURACY_NOTE,
            PARITY_RULE,
            *([PAIRED_FORMS_NOTE] if paired else []),
            *interval_notes(cells, ONE_SEED_NOTE),
        ],
    )


def _accuracy_lines(found: Sequence[TrainedPair]) -> Iterator[TableLine]:
    for base in dict.fromkeys(trained_pair.base.subject for trained_pair in found):
        forms = [trained_pair for trained_pair in found if trained_pair.base.subject == base]
        own, nothing = forms[0].base, (None,) * 6
        yield TableLine(subject=base, cells=(forms[0].comparison.base.label, *_learned(own), *nothing))
        for trained_pair in forms:
            yield TableLine(subject=trained_pair.new.subject, cells=tuple(_trained_cells(trained_pair)))


def _trained_cells(trained_pair: TrainedPair) -> Iterator[Cell]:
    found = trained_pair.difference
    yield trained_pair.form.label
    yield from _learned(trained_pair.new)
    yield signed_points(found.difference, found.low, found.high)
    yield found.verdict
    yield points(found.detectable)
    for rate in ("step_rate", "loop_rate"):
        ratio = trained_pair.ratio(rate)
        yield with_interval(ratio.value, ratio.interval, unit="x") if ratio else None
    yield found.reason


def _learned(run: Learned) -> tuple[Cell, ...]:
    first, last = run.value("gradient_norm_first"), run.value("gradient_norm_last")
    return (
        mean_percent(run.figures.get(ACCURACY_KEY)),
        percent(run.value("final_train_accuracy")),
        gap_points(run),
        first / last if first is not None and last else None,
        run.value("training_time"),
        seeds_text(run),
    )


def gap(run: Learned) -> float | None:
    """Train accuracy minus test accuracy, as a share."""
    train, test = run.value("final_train_accuracy"), run.value("test_accuracy")
    return train - test if train is not None and test is not None else None


def gap_points(run: Learned) -> Quantity | None:
    """`1.39`, in points."""
    return points(gap(run))
