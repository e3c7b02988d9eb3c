"""Compile time, what a compiled step saves, and the steps until compile time is recovered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, structs

from bench.schema.phases import WHOLE
from bench.stats.estimates import Ratio
from reports.cells import Cell, Quantity
from reports.document import Table
from reports.sections.speedup_tables import COMPILED, pairs_of, speed_up
from reports.summary.figures import Figure
from reports.summary.subjects import Figures, Subject, by_subject, subject_of
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.constant_columns import without_constant
from reports.tables.wording import interval_notes, measured, processes_text

COMPILING: dict[str, Callable[[Figure], Cell]] = {
    "compile_cold": measured,
    "compile_warm": measured,
    "graph_breaks": lambda figure: round(figure.median),
    "recompiles": lambda figure: round(figure.median),
}
_COUNTS = ("graph breaks", "recompiles")
CACHES = ("cold", "warm")
CACHES_NOTE = "cold: with an empty compiler cache; warm: in a second process, with that cache filled."
PAYOFF_NOTE = (
    "gain: wall time saved per step. steps: how many it takes until compile time is recovered, in brackets "
    "at the ends of the gain's 95% interval. never: the compiled step is not faster."
)
NEVER = "never"
ROUNDING = 1e-9
"""30 s at 0.05 s a step are 600 steps, whatever the last digit of their quotient."""


class Range(Struct, frozen=True):
    """A value and the ends of its 95% interval, which are the value itself where there is none; whether it
    is that within one process (`bench.stats.estimates.IntervalKind`), or borrowed from other cases."""

    value: float
    low: float
    high: float
    within: bool = False
    borrowed: bool = False


def compile_table(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """Seconds to the first result with an empty and with a filled cache; where the same was also run eagerly,
    what compiling gains and after how many steps it has paid."""
    saved = _gains(figures)
    lines = [
        TableLine(subject=subject, cells=_cells(found, saved.get(subject)))
        for subject, found in by_subject([f for f in figures if f.metric in COMPILING]).items()
    ]
    if not lines:
        return
    cells = [cell for line in lines for cell in line.cells]
    found = table(
        "Compile time and break-even",
        [
            *("cold (s)", "warm (s)", *_COUNTS, "gain (ms/step)"),
            *(f"steps, {cache} cache" for cache in CACHES),
            "processes",
        ],
        lines,
        scope,
        metrics=tuple(COMPILING),
        optional=("processes", *_COUNTS, "steps, warm cache", "warm (s)"),
        notes=[CACHES_NOTE, *([PAYOFF_NOTE] if saved else []), *interval_notes(cells)],
    )
    for name in _COUNTS:
        found = without_constant(found, name)
    yield found


def _gains(figures: Sequence[Figure]) -> dict[Subject, tuple[Range, float]]:
    """What a step of a compiled case saves, and how long it takes; the first of several eager ones counts."""
    whole = [f for f in figures if f.metric == "wall_time" and f.phase == WHOLE.get(f.case.workload)]
    found: dict[Subject, tuple[Range, float]] = {}
    for eager, compiled in pairs_of(whole, COMPILED):
        saved = gain(eager.median, speed_up(eager, compiled))
        found.setdefault(subject_of(compiled), (saved, compiled.median))
    return found


def _cells(found: Figures, saved: tuple[Range, float] | None) -> tuple[Cell, ...]:
    named = {metric: figure for (_, metric), figure in found.items()}
    seconds = [named.get(f"compile_{cache}") for cache in CACHES]
    return (
        *(show(named[name]) if name in named else None for name, show in COMPILING.items()),
        None if saved is None else _cell(scaled(saved[0], 1e3)),
        *(_paid(each, saved) for each in seconds),
        processes_text(list(found.values())),
    )


def _paid(spent: Figure | None, saved: tuple[Range, float] | None) -> Cell:
    """Steps until the seconds are recovered: those to the first result, less the step that is in them, which
    running eagerly would have taken as well."""
    if spent is None or saved is None:
        return None
    gained, step = saved
    return _whole(steps_until_paid(max(0.0, spent.median - step), gained))


def gain(eager_seconds: float, faster: Ratio) -> Range:
    """Seconds by which a compiled step is shorter, from its speed-up; below 0 where it is longer."""

    def less(ratio: float) -> float:
        return eager_seconds * (1 - 1 / ratio)

    found = faster.interval
    if found is None:
        return Range(less(faster.value), less(faster.value), less(faster.value))
    within, borrowed = found.kind == "within-process", found.method == "borrowed"
    return Range(less(faster.value), less(found.low), less(found.high), within, borrowed)


def steps_until_paid(seconds: float, gained: Range) -> Range:
    """Whole steps after which the gain has made up for the seconds; infinite where there is none."""

    def steps(seconds_a_step: float) -> float:
        return math.ceil(seconds / seconds_a_step * (1 - ROUNDING)) if seconds_a_step > 0 else math.inf

    return structs.replace(gained, value=steps(gained.value), low=steps(gained.high), high=steps(gained.low))


def scaled(found: Range, factor: float) -> Range:
    """The same in another unit."""
    return structs.replace(
        found, value=found.value * factor, low=found.low * factor, high=found.high * factor
    )


def _whole(found: Range) -> Cell:
    """`1,234 (900 to 2,000)`, `1,234 (900 to never)` or `never`"""
    return structs.replace(_cell(found), digits="whole", endless=NEVER)


def _cell(found: Range) -> Quantity:
    known = found.low != found.high
    return Quantity(
        value=found.value,
        low=found.low if known else None,
        high=found.high if known else None,
        of_one=found.within,
        borrowed=found.borrowed,
        interval="ends",
    )
