"""Rows with verdicts as tables: times, sizes, energy, and the counts that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from bench.schema.metrics import CLOCKS, title_of
from reports.cells import Cell, Quantity
from reports.compare.comparison_rows import COMPARED_UNITS, EXACT_METRICS, ComparisonRow
from reports.compare.what_decides import in_words
from reports.document import Table
from reports.summary.figures import EPOCH
from reports.summary.subjects import Subject
from reports.tables.case_columns import NOT_SHOWN, TableLine, TableScope, scope_of, table
from reports.tables.wording import MIB, PARITY_RULE, percent, points, signed_points

_SECONDS_PER_MS = 1e-3
CAUSE_IN_WORDS = (
    "cause: what the SM clock has to do with a time that differs. clock: in cycles (time x SM clock) it is "
    "equivalent, the case is compute-bound by the ceilings of its run, the memory clocks are equal and no "
    "power cap was hit. code: the verdict in cycles is the same. unknown: neither. The verdict is on time "
    "either way."
)
TO_DECIDE = "to decide"
"""The column of what an inconclusive row asks for."""
TO_DECIDE_IN_WORDS = (
    "to decide: about how many more on each side would bring detectable down to the change that was seen (or "
    "to the margin, if that is larger), and about how long both sides together take for it."
)
LARGEST_TOLD = 10.0
"""The largest detectable change that is told to the tenth of a percent."""


class _Kind(Struct, frozen=True):
    """How a unit is shown: the table's title, the unit printed and its size, the words for the verdicts."""

    title: str
    printed: str
    size: float
    faster: str
    slower: str

    def word(self, verdict: str | None) -> str | None:
        return {"faster": self.faster, "slower": self.slower}.get(verdict or "", verdict)


KINDS = {
    "s": _Kind("Time", "ms", _SECONDS_PER_MS, "faster", "slower"),
    "bytes": _Kind("Memory", "MiB", MIB, "smaller", "larger"),
    "J": _Kind("Energy", "J", 1.0, "less", "more"),
}
"""A size that is `slower` in the JSON form is larger."""
KINDS_OF_TRAINING = {
    "s": _Kind("Time of training runs", "s", 1.0, "faster", "slower"),
    "bytes": _Kind("Memory of training runs", "MiB", MIB, "smaller", "larger"),
    "J": _Kind("Energy of training runs", "J", 1.0, "less", "more"),
}


def verdict_tables(rows: Sequence[ComparisonRow], counted: str) -> Iterator[Table]:
    """A table for each unit that has rows, then the counts that differ; `counted` are processes or runs.

    Training runs have tables of their own, the first of which is that of their accuracies.
    """
    timed = [row for row in rows if row.case.task is None]
    training = [row for row in rows if row.case.task is not None]
    yield from _tables(timed, counted, KINDS, scope_of([row.case for row in timed], 1))
    apart = TableScope(inputs_follow_model=False, several_machines=False)
    yield from accuracy_verdicts([row for row in training if row.is_accuracy], apart)
    yield from _tables([row for row in training if not row.is_accuracy], counted, KINDS_OF_TRAINING, apart)


def _tables(
    rows: Sequence[ComparisonRow], counted: str, kinds: Mapping[str, _Kind], scope: TableScope
) -> Iterator[Table]:
    for unit in COMPARED_UNITS:
        kind = kinds[unit]
        compared = [
            row for row in rows if row.unit == unit and row.verdict and row.metric not in EXACT_METRICS
        ]
        shown = [row for row in compared if not _is_constant(row)]
        if not compared:
            continue
        same = len(compared) - len(shown)
        yield table(
            kind.title,
            _columns(kind, counted),
            [TableLine(subject=_subject(row), cells=_cells(row, kind)) for row in shown],
            scope,
            notes=[
                *(
                    [f"The same in all processes of both sides, and not shown: {same:,} rows."]
                    if same
                    else ()
                ),
                *sorted({f"inconclusive: {row.reason}." for row in shown if row.reason}),
                *([TO_DECIDE_IN_WORDS] if any(row.what_decides for row in shown) else ()),
            ],
        )
    different = [row for row in rows if row.verdict == "different"]
    if different:
        yield table(
            "Counts that differ",
            ["what", "BASE", "NEW"],
            [
                TableLine(subject=_subject(row), cells=(_what(row), _count(row.base), _count(row.new)))
                for row in different
            ],
            scope,
        )


def _columns(kind: _Kind, counted: str) -> list[str]:
    """Those of `_cells`."""
    return [
        *("what", f"BASE ({kind.printed})", f"NEW ({kind.printed})", "ratio", "verdict"),
        *("detectable", counted, TO_DECIDE, "remarks"),
        *("cause", "SM clock (MHz)", "memory clock (MHz)", "power cap at work (%)"),
    ]


def count_of_words(rows: Sequence[ComparisonRow]) -> str:
    """`Times and sizes: 3 slower, ... Accuracies: 1 lower, ... Counts: 12 equal, ... Not compared: 4`"""
    words: Counter[str] = Counter(row.verdict or "none" for row in rows if not row.is_accuracy)
    learned: Counter[str] = Counter(row.verdict or "none" for row in rows if row.is_accuracy)
    counted = [
        ("Times and sizes", words, ("slower", "faster", "equivalent", "inconclusive")),
        ("Accuracies", learned, ("lower", "higher", "equivalent", "inconclusive", "diverged")),
        ("Counts", words, ("equal", "different")),
    ]
    sentences = [
        f"{what}: {', '.join(f'{found[word]:,} {word}' for word in named)}. "
        for what, found, named in counted
        if found is words or found
    ]
    return "".join(sentences) + f"Not compared: {words['none'] + learned['none']:,}"


def accuracy_verdicts(rows: Sequence[ComparisonRow], scope: TableScope) -> Iterator[Table]:
    """Differences in points, every row: accuracies are hardly ever the same by nature."""
    compared = [row for row in rows if row.verdict is not None]
    if compared:
        yield table(
            "Accuracy",
            [
                "BASE (%)",
                "NEW (%)",
                "difference (points)",
                "verdict",
                "detectable (points)",
                "seeds",
                "compared",
                "reason",
            ],
            [TableLine(subject=_subject(row), cells=_accuracy_cells(row)) for row in compared],
            scope,
            without=NOT_SHOWN,
            always=("dataset", "recipe"),
            notes=[PARITY_RULE],
        )


def _accuracy_cells(row: ComparisonRow) -> tuple[Cell, ...]:
    return (
        percent(row.base),
        percent(row.new),
        signed_points(row.difference, row.low, row.high),
        row.verdict,
        points(row.detectable),
        row.n_base if row.n_base == row.n_new else f"{row.n_base} / {row.n_new}",
        None if row.low is None else "by seed" if row.paired else "means",
        row.reason,
    )


def _is_constant(row: ComparisonRow) -> bool:
    """Sizes are often equal to the byte in every process, and then there is nothing to show."""
    return row.verdict == "equivalent" and row.low == row.high == 1


def _subject(row: ComparisonRow) -> Subject:
    return Subject(row.case, row.effective, ())


def _cells(row: ComparisonRow, kind: _Kind) -> tuple[Cell, ...]:
    return (
        _what(row),
        None if row.base is None else row.base / kind.size,
        None if row.new is None else row.new / kind.size,
        _ratio(row),
        kind.word(row.verdict),
        None if row.detectable is None else percent_told(row.detectable),
        row.n_base if row.n_base == row.n_new else f"{row.n_base} / {row.n_new}",
        in_words(row.what_decides) if row.what_decides else None,
        row.tags,
        row.cause,
        both_sides(row.base_sm_clock, row.new_sm_clock),
        both_sides(row.base_memory_clock, row.new_memory_clock),
        both_sides(row.base_power_cap, row.new_power_cap, 100.0),
    )


def both_sides(base: float | None, new: float | None, scale: float = 1.0) -> str | None:
    """`1980 / 1755`, or what both have in common; None for nothing, and for none of what is bad."""
    told = ["?" if value is None else f"{value * scale:.0f}" for value in (base, new)]
    if not (base or new):
        return None
    return told[0] if told[0] == told[1] else " / ".join(told)


def _what(row: ComparisonRow) -> str:
    """`step wall`, `peak allocated of forward`, `compile cold`"""
    clock = CLOCKS.get(row.metric)
    if clock:
        return f"{row.phase} {clock}"
    metric = title_of(row.metric)
    return metric if row.phase in ("model", EPOCH) else f"{row.phase} {metric}"


def _ratio(row: ComparisonRow) -> Quantity | None:
    return (
        None if row.ratio is None else Quantity(value=row.ratio, low=row.low, high=row.high, interval="ends")
    )


def percent_told(share: float) -> Quantity:
    """`2.1%`, `>1000%`"""
    if share < LARGEST_TOLD:
        return Quantity(value=100 * share, unit="%", digits=1)
    return Quantity(value=100 * LARGEST_TOLD, unit="%", digits="given", more_than=True)


def _count(value: float | None) -> Cell:
    return None if value is None else round(value)
