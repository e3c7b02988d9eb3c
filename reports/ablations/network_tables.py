"""A network with one design choice changed: its cost and speed, and its accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

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

SPEED_COLUMNS = (
    "form",
    "predicted",
    "inference",
    "forward",
    "backward",
    "step",
    "time (ms)",
    "remarks",
    "why",
)
COST_COLUMNS = ("form", "parameters", "forward GFLOPs", "saved", "peak", "processes")
SPEED_NOTE = (
    "Ratios: form / base, of the wall time; the base is the first row of a network. predicted: ratio of the "
    "FLOPs of the whole step."
)
COST_NOTE = (
    "forward GFLOPs: per image, computed. saved, peak: form / base, of the tensors that autograd keeps from "
    "forward to backward, and of the peak memory of a step."
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


def speed_tables(
    name: str, sides: Sequence[TimedPair], peers: Mapping[Case, KernelRates] | None, scope: TableScope
) -> Iterator[Table]:
    """Base and forms of every network: how fast they are, then their cost; with `peers` also why a step time
    differs from its prediction."""
    if not sides:
        return
    speed = list(_lines(sides, _base_speed, lambda each: tuple(_speed_cells(each, peers))))
    timed = {WHOLE[line.subject.case.workload] for line in speed}
    yield table(
        f"{name}: speed",
        SPEED_COLUMNS,
        speed,
        scope,
        without=("workload", "channels", "classes"),
        notes=[
            f"{SPEED_NOTE} time: of the whole {' or '.join(sorted(timed))}.",
            *interval_notes(cell for line in speed for cell in line.cells),
        ],
    )
    yield table(
        f"{name}: cost",
        COST_COLUMNS,
        list(_lines(sides, _base_cost, lambda each: tuple(_cost_cells(each)))),
        scope,
        without=("workload", "channels", "classes"),
        notes=[COST_NOTE],
    )


def _lines(
    sides: Sequence[TimedPair],
    of_base: Callable[[TimedPair], tuple[Cell, ...]],
    of_form: Callable[[TimedPair], tuple[Cell, ...]],
) -> Iterator[TableLine]:
    """The base of a network before its forms."""
    for base in dict.fromkeys(each.base for each in sides):
        forms = [each for each in sides if each.base == base]
        yield TableLine(subject=base, cells=of_base(forms[0]))
        for each in forms:
            yield TableLine(subject=each.new, cells=of_form(each))


def _base_speed(sides: TimedPair) -> tuple[Cell, ...]:
    own = sides.base_figures[sides.base.case.workload]
    empty: tuple[Cell, ...] = (None,) * 5
    return (sides.comparison.base.label, *empty, *_own_cells(sides.base, own), None)


def _speed_cells(sides: TimedPair, peers: Mapping[Case, KernelRates] | None) -> Iterator[Cell]:
    inference = sides.ratio("forward", "inference")
    yield sides.form.label
    yield computed_ratio(predicted(sides, WHOLE[sides.new.case.workload]))
    yield with_interval(inference.value, inference.interval, unit="x") if inference else None
    for phase in ("forward", "backward", "step"):
        yield ratio_cell(sides, phase)
    yield from _own_cells(sides.new, sides.new_figures[sides.new.case.workload])
    yield None if peers is None else why_text(sides, peers)


def _base_cost(sides: TimedPair) -> tuple[Cell, ...]:
    closed = case_work(sides.base.case)
    return (
        sides.comparison.base.label,
        closed.parameters,
        closed.flops_forward / GIGA,
        None,
        None,
        processes_text(list(sides.base_figures[sides.base.case.workload].values())),
    )


def _cost_cells(sides: TimedPair) -> Iterator[Cell]:
    closed = case_work(sides.new.case)
    yield sides.form.label
    yield closed.parameters
    yield closed.flops_forward / GIGA
    yield _bytes_ratio(sides.both("training", SAVED))
    yield _bytes_ratio(sides.peaks)
    yield processes_text(list(sides.new_figures[sides.new.case.workload].values()))


def _own_cells(subject: Subject, figures: Figures) -> tuple[Cell, ...]:
    """The time of the whole, and remarks."""
    whole = figures.get((WHOLE[subject.case.workload], TIME))
    return milliseconds(whole), remarks(list(figures.values()))


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
