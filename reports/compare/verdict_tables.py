"""Rows with verdicts as tables: times, sizes, energy, and the counts that differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from reports.cells import Cell
from reports.compare.changes import beside, change, marked, side, visible_from
from reports.compare.comparison_rows import COMPARED_UNITS, ComparisonRow
from reports.compare.row_words import (
    KIND_OF_PEAK,
    KINDS,
    KINDS_OF_TRAINING,
    Kind,
    is_count,
    what,
)
from reports.compare.what_decides import in_words
from reports.document import Part, Table
from reports.summary.subjects import Subject
from reports.tables.case_columns import NOT_SHOWN, TableLine, TableScope, scope_of, table
from reports.tables.constant_columns import without_constant
from reports.tables.wording import PARITY_RULE, interval_notes, percent, points, signed_points

PARTS = {"s": Part("time", "Time"), "bytes": Part("memory", "Memory"), "J": Part("energy", "Energy")}
PEAK = Part("peak", "Measured peak", in_appendix=True)
TRAINING = Part("training", "Training runs")
COUNTS = Part("counts", "Counts that differ")
CAUSE_IN_WORDS = (
    "cause: how the SM clock explains a change in time. clock: in cycles (time x SM clock) the case is "
    "equivalent, it is compute-bound by its run's measured peak, the memory clocks are equal and no power "
    "cap was hit. code: the verdict in cycles is the same. unknown: neither. The verdict is on time in every "
    "case."
)
TO_DECIDE = "to decide"
"""The column of what an inconclusive row asks for."""
TO_DECIDE_IN_WORDS = (
    "to decide: about how many more on each side would make the observed change visible (or the margin, if "
    "that is larger), and about how long both sides together take."
)


def verdict_tables(rows: Sequence[ComparisonRow], counted: str, *, show_all: bool = False) -> Iterator[Table]:
    """A table for each unit that has rows, then the counts that differ; `counted` are processes or runs.

    Training runs have tables of their own, the first of which is that of their accuracies. Rows that are the
    same in all processes of both sides are left out unless `show_all`.
    """
    timed = [row for row in rows if row.case.task is None and not row.is_peak]
    training = [row for row in rows if row.case.task is not None]
    scope = scope_of([row.case for row in timed], 1)
    apart = TableScope(inputs_follow_model=False, several_machines=False)
    for unit, found in _by_unit(timed, counted, KINDS, scope, show_all):
        yield structs.replace(found, part=PARTS[unit])
    for found in accuracy_verdicts([row for row in training if row.is_accuracy], apart):
        yield structs.replace(found, part=TRAINING)
    costs = [row for row in training if not row.is_accuracy]
    for _, found in _by_unit(costs, counted, KINDS_OF_TRAINING, apart, show_all):
        yield structs.replace(found, part=TRAINING)
    peaks = [row for row in rows if row.is_peak and row.unit == "s"]
    for _, found in _by_unit(peaks, counted, {"s": KIND_OF_PEAK}, apart, show_all):
        yield structs.replace(found, part=PEAK)
    yield from _differing_counts(timed, scope)
    yield from _differing_counts(training, apart)


def _by_unit(
    rows: Sequence[ComparisonRow],
    counted: str,
    kinds: Mapping[str, Kind],
    scope: TableScope,
    show_all: bool,
) -> Iterator[tuple[str, Table]]:
    for unit in COMPARED_UNITS:
        compared = [row for row in rows if row.unit == unit and row.verdict and not is_count(row)]
        if compared:
            yield unit, _table(compared, counted, kinds[unit], scope, show_all)


def _table(
    compared: Sequence[ComparisonRow], counted: str, kind: Kind, scope: TableScope, show_all: bool
) -> Table:
    shown = [row for row in compared if show_all or not _is_constant(row)]
    hidden = len(compared) - len(shown)
    cells = [_cells(row, kind) for row in shown]
    found = table(
        kind.title,
        _columns(kind, counted),
        [TableLine(subject=_subject(row), cells=each) for row, each in zip(shown, cells, strict=True)],
        scope,
        optional=(*_columns(kind, counted)[:-9:-1], f"BASE, {kind.printed}"),
        notes=[
            *([f"{hidden:,} identical rows hidden (--all shows them)."] if hidden else ()),
            *sorted({f"inconclusive: {row.reason}." for row in shown if row.reason}),
            *([TO_DECIDE_IN_WORDS] if any(row.what_decides for row in shown) else ()),
            *interval_notes(cell for each in cells for cell in each),
        ],
    )
    return without_constant(found, counted, "on each side")


def _differing_counts(rows: Sequence[ComparisonRow], scope: TableScope) -> Iterator[Table]:
    different = [row for row in rows if row.verdict == "different"]
    if different:
        found = table(
            COUNTS.title,
            ["what", "BASE", "NEW"],
            [
                TableLine(subject=_subject(row), cells=(what(row), _count(row.base), _count(row.new)))
                for row in different
            ],
            scope,
        )
        yield structs.replace(found, part=COUNTS)


def _columns(kind: Kind, counted: str) -> list[str]:
    """Those of `_cells`."""
    return [
        *("what", f"BASE, {kind.printed}", f"NEW, {kind.printed}", "change", "verdict"),
        *("visible from", counted, TO_DECIDE, "remarks"),
        *("cause", "SM clock, MHz", "memory clock, MHz", "power cap at work, %"),
    ]


def accuracy_verdicts(rows: Sequence[ComparisonRow], scope: TableScope) -> Iterator[Table]:
    """Differences in points, every row: accuracies are hardly ever the same by nature."""
    compared = [row for row in rows if row.verdict is not None]
    if compared:
        yield table(
            "Accuracy",
            [
                "BASE, %",
                "NEW, %",
                "difference, points",
                "verdict",
                "visible from, points",
                "seeds",
                "compared",
                "reason",
            ],
            [TableLine(subject=_subject(row), cells=_accuracy_cells(row)) for row in compared],
            scope,
            without=NOT_SHOWN,
            always=("dataset", "recipe"),
            optional=("compared", "seeds", "visible from, points", "reason", "BASE, %"),
            notes=[PARITY_RULE],
        )


def _accuracy_cells(row: ComparisonRow) -> tuple[Cell, ...]:
    return (
        percent(row.base),
        percent(row.new),
        signed_points(row.difference, row.low, row.high),
        marked(row.verdict),
        points(row.detectable),
        sizes(row),
        None if row.low is None else "by seed" if row.paired else "means",
        row.reason,
    )


def _is_constant(row: ComparisonRow) -> bool:
    """Sizes are often equal to the byte in every process, and then there is nothing to show."""
    return row.verdict == "equivalent" and row.low == row.high == 1


def _subject(row: ComparisonRow) -> Subject:
    return Subject(row.case, row.effective, ())


def _cells(row: ComparisonRow, kind: Kind) -> tuple[Cell, ...]:
    base = side(row.base, row.base_interval, 1 / kind.size)
    new = side(row.new, row.new_interval, 1 / kind.size)
    return (
        what(row),
        base,
        new,
        beside(change(row), base, new),
        marked(kind.word(row.verdict)),
        None if row.detectable is None else visible_from(row.detectable),
        sizes(row),
        in_words(row.what_decides) if row.what_decides else None,
        row.tags,
        row.cause,
        both_sides(row.base_sm_clock, row.new_sm_clock),
        both_sides(row.base_memory_clock, row.new_memory_clock),
        both_sides(row.base_power_cap, row.new_power_cap, 100.0),
    )


def sizes(row: ComparisonRow) -> Cell:
    """How many processes, runs or seeds: `5`, `3 / 5` where the sides differ."""
    return row.n_base if row.n_base == row.n_new else f"{row.n_base} / {row.n_new}"


def both_sides(base: float | None, new: float | None, scale: float = 1.0) -> str | None:
    """`1980 / 1755`, or what both have in common; None for nothing, and for none of what is bad."""
    told = ["?" if value is None else f"{value * scale:.0f}" for value in (base, new)]
    if not (base or new):
        return None
    return told[0] if told[0] == told[1] else " / ".join(told)


def _count(value: float | None) -> Cell:
    return None if value is None else round(value)
