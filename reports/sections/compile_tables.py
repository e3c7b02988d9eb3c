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
from reports.summary.subjects import by_subject, subject_of
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import interval_notes, measured, processes_text

COMPILING: dict[str, Callable[[Figure], Cell]] = {
    "compile_cold": measured,
    "compile_warm": measured,
    "graph_breaks": lambda figure: round(figure.median),
    "recompiles": lambda figure: round(figure.median),
}
CACHES = ("cold", "warm")
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


def economics_tables(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """What compiling took; then, where the same was also run eagerly, what it gains and when it pays."""
    yield from _compile_table(figures, scope)
    yield from _payoff_table(figures, scope)


def _compile_table(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """Seconds to the first result with an empty and with a filled cache; breaks and recompiles."""
    lines = [
        TableLine(
            subject=subject,
            cells=(
                *(
                    next((show(f) for (_, metric), f in found.items() if metric == name), None)
                    for name, show in COMPILING.items()
                ),
                processes_text(list(found.values())),
            ),
        )
        for subject, found in by_subject([f for f in figures if f.metric in COMPILING]).items()
    ]
    if lines:
        yield table(
            "Compile time",
            ["cold (s)", "warm (s)", "graph breaks", "recompiles", "processes"],
            lines,
            scope,
            metrics=tuple(COMPILING),
            notes=[
                "cold: with an empty compiler cache; warm: in a second process, with that cache filled.",
                *interval_notes(cell for line in lines for cell in line.cells),
            ],
        )


def _payoff_table(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    whole = [f for f in figures if f.metric == "wall_time" and f.phase == WHOLE.get(f.case.workload)]
    seconds = {(subject_of(f), f.metric): f.median for f in figures if f.metric in COMPILING}
    lines = []
    for eager, compiled in pairs_of(whole, COMPILED):
        subject = subject_of(compiled)
        spent = [seconds.get((subject, f"compile_{cache}")) for cache in CACHES]
        if any(spent):
            gained = gain(eager.median, speed_up(eager, compiled))
            # To the first result: a step is in it, which running eagerly would have taken as well.
            more = [each and max(0.0, each - compiled.median) for each in spent]
            paid = [None if each is None else steps_until_paid(each, gained) for each in more]
            images = [each and scaled(each, compiled.case.batch) for each in paid]
            cells = (_cell(scaled(gained, 1e3)), *map(_whole, paid), *map(_whole, images))
            lines.append(TableLine(subject=subject, cells=cells))
    if lines:
        yield table(
            "Compile break-even",
            [
                "gain (ms/step)",
                *(f"steps, {cache} cache" for cache in CACHES),
                *(f"images, {cache} cache" for cache in CACHES),
            ],
            lines,
            scope,
            notes=[
                "gain: wall time saved per step. steps, images: how many it takes until compile time is "
                "recovered, in brackets at the ends of the gain's 95% interval. never: the compiled step "
                "is not faster.",
                *interval_notes(cell for line in lines for cell in line.cells),
            ],
        )


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


def _whole(found: Range | None) -> Cell:
    """`1,234 (900 to 2,000)`, `1,234 (900 to never)` or `never`"""
    return None if found is None else structs.replace(_cell(found), digits="whole", endless=NEVER)


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
