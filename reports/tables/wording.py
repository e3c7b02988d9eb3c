"""Figures as cells of a table, and the sentences and notes that explain them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from msgspec import structs

from bench.schema.case import Case
from bench.stats.accuracy_verdicts import ALL_EQUAL, PARITY_MARGIN
from bench.stats.estimates import Interval, Moderated
from bench.stats.moderation import MOST_MORE, more_processes
from bench.stats.student_t import t_factor
from reports.cells import (
    ABOUT,
    BORROWED,
    FOLLOWS_FROM_UNRESOLVED,
    ONE,
    RESOLVED,
    UNRESOLVED,
    Cell,
    Labels,
    Quantity,
)
from reports.summary.figures import Figure
from reports.tables.listing import and_more

TIME_IN_WORDS = (
    "Times: geometric mean of per-process medians, with the 95% confidence interval across processes. "
    f"about: the interval reaches {RESOLVED:.0%} to {ABOUT:.0%} from the figure. Two figures with "
    "overlapping intervals may be equal."
)

MIB = 2**20
PARITY_RULE = (
    f"equivalent: the 90% interval of the difference lies within ±{100 * PARITY_MARGIN:g} point (checked "
    "first). higher, lower: the printed 99% interval excludes 0. inconclusive: neither, which does not mean "
    "'no difference'. diverged: some seeds have no accuracy, so nothing is compared. detectable: the "
    "smallest difference found in 99 of 100 such comparisons."
)

WITHIN_NOTE = f"{ONE} one process: run-to-run variation is unknown."
ONE_SEED_NOTE = f"{ONE} one seed: variation between seeds is unknown."
BORROWED_NOTE = (
    f"{BORROWED} one process: the interval is what the run's other cases predict. Verdicts do not use it."
)
_REACHES_FAR = f"{UNRESOLVED}: the 95% interval (in brackets) reaches more than {ABOUT:.0%} from the figure."
_FOLLOWS = f"{FOLLOWS_FROM_UNRESOLVED}: derived from an unresolved figure."
UNRESOLVED_NOTE = f"{_REACHES_FAR} +4: about 4 more processes would resolve it. {_FOLLOWS}"
UNRESOLVED_SHORT_NOTE = f"{_REACHES_FAR} {_FOLLOWS}"
"""Of a table that does not say how many more processes it takes."""
MOST_POINTS = 10.0
"""An accuracy, or a difference of two, whose interval reaches further is not resolved."""
POINTS_UNRESOLVED_NOTE = (
    f"{UNRESOLVED}: the interval (in brackets, in points) reaches more than {MOST_POINTS:g} points from the "
    "accuracy or difference. Add seeds."
)
TENTH, WIDE = 0.1, 10
"""In points: below and from these a difference has other digits than one."""
CASES_NAMED = 3
MODELS_NAMED = 4


def with_interval(value: float, interval: Interval | None, scale: float = 1.0, unit: str = "") -> Quantity:
    """What was measured, with its interval; `scale` is how many of the column's units one of its own is."""
    if interval is None or value <= 0:
        return Quantity(value=value * scale, unit=unit)
    return Quantity(
        value=value * scale,
        low=interval.low * scale,
        high=interval.high * scale,
        unit=unit,
        of_one=interval.kind == "within-process",
        moderated=interval.method == "moderated",
        borrowed=interval.method == "borrowed",
    )


def of_seeds(figure: Figure, unit: str = "") -> Quantity:
    """A figure of training runs; † marks a single seed."""
    found = with_interval(figure.median, figure.interval, unit=unit)
    return structs.replace(found, of_one=True) if figure.interval is None else found


def measured(figure: Figure, scale: float = 1.0) -> Quantity:
    """A figure with its interval, and if it is not resolved with about how many more processes it takes."""
    found = with_interval(figure.median, figure.interval, scale)
    if found.is_resolved or figure.interval is None or figure.interval.kind != "across-processes":
        return found  # of several machines: more processes would not resolve it
    return structs.replace(found, more=_more_to_resolve(figure.interval, len(figure.medians)))


def _more_to_resolve(interval: Interval, processes: int) -> int:
    """MOST_MORE and one for all beyond it."""
    parts = interval.parts
    if parts is None:
        freedom = processes - 1
        error = math.log(interval.high / interval.low) / 2 / t_factor(freedom, interval.level)
        variance = error**2 * processes
        parts = Moderated(variance, freedom, 0.0, 0.0, math.sqrt(variance), 0.0, 0)
    more = more_processes(parts, processes, ABOUT, interval.level)
    return MOST_MORE + 1 if more is None else more


def following(cell: Cell, figure: Figure) -> Cell:
    """What follows from a figure; a mark where that is not resolved."""
    if cell is None or with_interval(figure.median, figure.interval).is_resolved:
        return cell
    return Quantity(value=figure.median, unresolved=True)


def percent(share: float | None) -> Quantity | None:
    """`98.12`: a share in percent, to the hundredth of a point; None where it was not measured."""
    return None if share is None else Quantity(value=100 * share, digits=2)


def mean_percent(figure: Figure | None) -> Quantity | None:
    """`98.1 ±0.4`: a mean over seeds, its interval in points, or `not resolved (58 to 82)`; † marks a single
    seed."""
    if figure is None:
        return None
    interval = figure.interval
    found = Quantity(
        value=100 * figure.median,
        low=100 * interval.low if interval else None,
        high=100 * interval.high if interval else None,
        of_one=interval is None,
        reach=MOST_POINTS,
        interval="around",
    )
    if found.is_resolved or interval is None:
        return found
    ends = (max(0.0, 100 * interval.low), min(100.0, 100 * interval.high))  # no accuracy is beyond these
    return structs.replace(found, low=ends[0], high=ends[1])


def milliseconds(figure: Figure | None) -> Quantity | None:
    """A time with its interval; None where it was not measured."""
    return measured(figure, 1e3) if figure else None


def interval_notes(cells: Iterable[Cell], of_one: str = WITHIN_NOTE) -> tuple[str, ...]:
    """The notes that explain the marks of these cells; `of_one` that of a single process, or seed."""
    quantities = [cell for cell in cells if isinstance(cell, Quantity)]
    shown = [each for each in quantities if not each.unresolved]
    open_ = [each for each in quantities if each.unresolved or not each.is_resolved]
    in_points = [each for each in open_ if each.reach is not None]
    return (
        *((of_one,) if any(each.of_one for each in shown) else ()),
        *((BORROWED_NOTE,) if any(each.borrowed for each in shown) else ()),
        *((UNRESOLVED_NOTE,) if len(open_) > len(in_points) else ()),
        *((POINTS_UNRESOLVED_NOTE,) if in_points else ()),
    )


def named(cases: Sequence[Case]) -> str:
    """The first few cases by id, and how many more."""
    return and_more([case.id for case in cases], CASES_NAMED)


def models_named(cases: Sequence[Case]) -> str:
    """The first few models of these cases, and how many more; short where ids would fill a table."""
    return and_more(list(dict.fromkeys(case.model for case in cases)), MODELS_NAMED)


def one_line(text: str, limit: int = 300) -> str:
    """Reasons can be whole tracebacks: a single line, cut in the middle, as the end says what happened."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return f"{line[: limit // 3]} ... {line[-(limit - limit // 3) :]}"


def whole_mib(size: float) -> Quantity:
    """A size in bytes as whole MiB; a small one to the tenth."""
    found = size / MIB
    return Quantity(value=found, digits="whole" if found >= 10 else 1)


def computed_ratio(value: float | None) -> Quantity | None:
    """`0.720x`: a ratio that was computed."""
    return None if value is None else Quantity(value=value, unit="x", digits=3)


ACCURACY_IN_WORDS = (
    "Accuracies: each seed trains in a process of its own, with its own initial weights and order of images. "
    "The figure is the mean of the seeds' test accuracies after the last epoch, ± its 95% interval in "
    "points. Diverged seeds are counted and excluded from the mean."
)


def processes_text(figures: Sequence[Figure]) -> Cell:
    """How many processes stand behind a row; a range where its figures differ in that."""
    counts = sorted({len(figure.medians) for figure in figures})
    return counts[0] if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def remarks(figures: Sequence[Figure]) -> Cell:
    """The labels of a row's warnings; what they say stands in the table of warnings."""
    labels = dict.fromkeys(tag for figure in figures for tag in figure.tags)
    return Labels(labels) if labels else None


def points(share: float | None) -> Quantity | None:
    """`0.43`: a difference of shares in points."""
    return percent(share)


def signed_points(found: float | None, low: float | None, high: float | None) -> Quantity | None:
    """`-0.3 (-0.8 to +0.2)`: a difference of shares in points, with its interval if there is one.

    To the tenth of a point; to the hundredth where the interval is so narrow, to the point where the
    difference is wide. `not resolved (-40 to 44)` where neither a sign nor MOST_POINTS is known.
    """
    if found is None:
        return None
    half = None if low is None or high is None else _points(high - low) / 2
    return Quantity(
        value=_points(found),
        low=None if low is None else _points(low),
        high=None if high is None else _points(high),
        reach=MOST_POINTS if low is not None and high is not None and low < 0 < high else None,
        interval="ends",
        digits=0 if abs(_points(found)) >= WIDE else 1 if half is None or half >= TENTH else 2,
        sign="unless zero",
    )


def _points(share: float) -> float:
    """No difference at all where only rounding errors are left."""
    return 0.0 if abs(share) < ALL_EQUAL else 100 * share
