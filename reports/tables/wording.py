"""Figures as people read them: value and interval in one cell, and the notes that explain the marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.schema.case import Case
from bench.stats.estimates import Interval
from reports.document import Cell, readable
from reports.summary.figures import Figure

WITHIN = "†"
WITHIN_NOTE = (
    f"{WITHIN}: one process: the interval says how well that process was sampled, "
    "not how far another process would be from it."
)
ONE_SEED_NOTE = f"{WITHIN}: one seed: how far another seed would be from it is not known."
DISAGREE = "±>10x"
DISAGREE_NOTE = (
    f"{DISAGREE}: the interval reaches beyond ten times the figure, which is then not known; "
    "measure with more replicates."
)
CASES_NAMED = 3
MODELS_NAMED = 4


def with_interval(value: float, interval: Interval | None, scale: float = 1.0, suffix: str = "") -> str:
    """`12.34 ±1.2%`; `12.34 -18% +22%` where the interval is wide and so not symmetric."""
    text = readable(float(value) * scale) + suffix
    if interval is None or value <= 0:
        return text
    up, down = (interval.high / value - 1) * 100, (1 - interval.low / value) * 100
    wider = max(up, down)
    if wider > 900:
        around = DISAGREE
    elif wider == 0:
        around = "±0%"
    elif wider < 0.05:
        around = "±<0.1%"
    else:
        around = f"±{wider:.1f}%" if wider < 10 else f"-{down:,.0f}% +{up:,.0f}%"
    return f"{text} {around}" + (f" {WITHIN}" if interval.kind == "within-process" else "")


def percent(share: float | None) -> str | None:
    """`98.12`: a share in percent, to the hundredth of a point; None where it was not measured."""
    return None if share is None else f"{100 * share:.2f}"


def mean_percent(figure: Figure | None) -> str | None:
    """`98.12 ±0.43`: a mean over seeds, its interval in points; † marks a single seed."""
    if figure is None:
        return None
    interval = figure.interval
    around = WITHIN if interval is None else f"±{100 * (interval.high - figure.median):.2f}"
    return f"{percent(figure.median)} {around}"


def milliseconds(figure: Figure | None) -> str | None:
    """A time with its interval; None where it was not measured."""
    return with_interval(figure.median, figure.interval, 1e3) if figure else None


def interval_notes(texts: Iterable[Cell]) -> tuple[str, ...]:
    """The notes that explain the marks in these cells."""
    found = " ".join(text for text in texts if isinstance(text, str))
    return tuple(note for mark, note in ((WITHIN, WITHIN_NOTE), (DISAGREE, DISAGREE_NOTE)) if mark in found)


def named(cases: Sequence[Case]) -> str:
    """The first few cases by id, and how many more."""
    ids = ", ".join(case.id for case in cases[:CASES_NAMED])
    more = len(cases) - CASES_NAMED
    return f"{ids} and {more:,} more" if more > 0 else ids


def models_named(cases: Sequence[Case]) -> str:
    """The first few models of these cases, and how many more; short where ids would fill a table."""
    models = list(dict.fromkeys(case.model for case in cases))
    more = len(models) - MODELS_NAMED
    return ", ".join(models[:MODELS_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def one_line(text: str, limit: int = 300) -> str:
    """Reasons can be whole tracebacks: a single line, cut in the middle, as the end says what happened."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return f"{line[: limit // 3]} ... {line[-(limit - limit // 3) :]}"
