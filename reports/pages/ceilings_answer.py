"""What a machine can do at best, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from reports.analysis.measured_ceilings import ARITHMETIC_RATE, BANDWIDTH, Ceilings
from reports.bar_rows import MOST_BARS, BarChart, BarRow
from reports.cells import brief
from reports.document import Answer, NextStep
from reports.sections.ceiling_tables import (
    UNITS,
    Place,
    best_table,
    by_place,
    place_in_words,
    scaled,
    tops,
)
from reports.summary.figures import Figure, Summary

MOST_HEADLINES = 4


def answer(about: str, alarms: tuple[str, ...], summary: Summary, ceilings: Ceilings) -> tuple[str, Answer]:
    """The title of the report and its first screen; `about` says machine, versions and counts, `alarms` what
    forbids to trust the figures. There is at least one rate."""
    several = len(summary.environments) > 1
    places = by_place(ceilings.rates)
    headlines = [_headline(place, rates, several) for place, rates in places.items()]
    more = len(headlines) - MOST_HEADLINES
    unsure = [figure for rates in places.values() for _, figure in tops(rates) if not _is_sure(figure)]
    return "Measured peak", Answer(
        about=about,
        alarms=alarms,
        headlines=(*headlines[:MOST_HEADLINES], *([f"And {more} more."] if more > 0 else [])),
        chart=_chart(list(places.items()), several),
        table=best_table(ceilings.rates, summary),
        warnings=" ".join(_warnings(unsure)),
        next_step=_next(bool(alarms or unsure)),
    )


def _headline(place: Place, rates: Sequence[Figure], several: bool) -> str:
    """`cpu, 2 threads: fp32 0.375 TFLOP/s †, bf16 3.4 TFLOP/s †, copy 26.0 GB/s †.`"""
    told = [f"{name} {_rate(figure)}" for name, figure in tops(rates)]
    return f"{place_in_words(place, several)}: {', '.join(told)}."


def _rate(figure: Figure) -> str:
    """`0.375 TFLOP/s ±2%`"""
    return brief(structs.replace(scaled(figure), unit=f" {UNITS[figure.metric]}"))


def _is_sure(figure: Figure) -> bool:
    """Whether something is known of how well it was measured, and that is good enough."""
    return figure.interval is not None and scaled(figure).is_resolved


def _warnings(unsure: Sequence[Figure]) -> Iterator[str]:
    if unsure:
        names = dict.fromkeys(_name(figure) for figure in unsure)
        yield f"Not certain: {', '.join(names)}; an interval is missing or too wide."


def _name(figure: Figure) -> str:
    return "copy" if figure.metric == BANDWIDTH else figure.case.precision


def _chart(places: Sequence[tuple[Place, Sequence[Figure]]], several: bool) -> BarChart | None:
    """TFLOP/s in each dtype; None where there is only one to show."""
    rows = [
        BarRow(
            label=f"{place_in_words(place, several)}, {name}" if len(places) > 1 else name,
            bars=(scaled(figure),),
        )
        for place, rates in places
        for name, figure in tops(rates)
        if figure.metric == ARITHMETIC_RATE and scaled(figure).is_resolved
    ]
    if len(rows) < 2:
        return None
    return BarChart(title="Peak compute, TFLOP/s", rows=tuple(rows[:MOST_BARS]))


def _next(measure_again: bool) -> NextStep:
    if measure_again:
        return NextStep(
            command="convbench ceilings --replicates 3", purpose="measures again, once it is idle"
        )
    return NextStep(command="convbench run", purpose="measures the quick suite")
