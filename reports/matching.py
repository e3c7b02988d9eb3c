"""Two sides' figures -> rows: what is the same work is compared, and what is not says why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct, structs

from bench import verdicts
from bench.case import Case
from bench.stats import centre
from reports.figures import Effective, Figure, Outcome, agree, case_row, precision_read_back
from reports.latency import remarks
from reports.table import Cell

COMPARED_UNITS = ("s", "bytes", "J")
"""Costs: less is better. They scatter, so they get verdicts."""
EXACT_METRICS = ("parameters", "flops", "graph_breaks", "casts")
"""Counts, which do not scatter: they are equal or different."""

Word = verdicts.Word | Literal["equal", "different"]
Unit = Literal["process", "run", "pair"]
"""`pair`: of the two sides of one `ab` run; a row whose processes have no pairs has processes."""

_ROW_FIELDS = (
    *("phase", "metric", "base", "new", "ratio", "low", "high", "verdict", "detectable", "n_base", "n_new"),
    *("unit", "p", "level", "reason", "tags", "paired"),
)


class Row(Struct, frozen=True, kw_only=True):
    """One metric in one phase of one case, on both sides or on one.

    base, new    the sides' figures, in `unit`; None where a side has none
    verdict      None where the row was not compared, and `reason` says why not
    ratio, low, high, detectable, p, level    as in `bench.verdicts.Verdict`
    n_base, n_new    processes, or runs where these are the unit
    tags         the labels of warnings on either side
    paired       whether the verdict is that of log ratios of interleaved pairs
    """

    case: Case
    phase: str
    metric: str
    unit: str
    effective: Effective = ()
    base: float | None = None
    new: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Word | None = None
    detectable: float | None = None
    n_base: int = 0
    n_new: int = 0
    p: float | None = None
    level: float | None = None
    reason: str | None = None
    tags: str | None = None
    paired: bool = False

    def as_row(self) -> dict[str, Cell]:
        """The flat row that programs read; the first fields are promised, the rest follow them."""
        return case_row(self.case, {name: getattr(self, name) for name in _ROW_FIELDS})


class Side(Struct, frozen=True):
    """What one side measured and what failed there."""

    name: str
    figures: tuple[Figure, ...]
    outcomes: tuple[Outcome, ...]


def match(base: Side, new: Side, unit: Unit, margin: float) -> tuple[Row, ...]:
    """A row for each figure of either side that can be compared in kind, in the order of BASE."""
    work = _work(base, new)
    groups: dict[Case, tuple[list[Figure], list[Figure]]] = {}
    for at, side in enumerate((base, new)):
        for figure in side.figures:
            if figure.unit in COMPARED_UNITS or figure.metric in EXACT_METRICS:
                groups.setdefault(work(figure.case), ([], []))[at].append(figure)
    failures = tuple({work(o.case): o.status for o in side.outcomes} for side in (base, new))
    rows: list[Row] = []
    for case, (bases, news) in groups.items():
        reason = _why_not(base.name, bases, failures[0].get(case), new.name, news, failures[1].get(case))
        if reason is None:
            rows += _compare(bases, news, unit, margin)
        else:
            rows += (_one_sided(figure, None, reason) for figure in bases)
            rows += (_one_sided(None, figure, reason) for figure in news)
    return tuple(rows)


def _work(*sides: Side) -> Callable[[Case], Case]:
    """What must be equal. The CPU threads belong to GPU work only where a side varies them."""
    gpu_threads = [{f.case.threads for f in side.figures if f.case.device != "cpu"} for side in sides]
    matter = any(len(threads) > 1 for threads in gpu_threads)

    def work(case: Case) -> Case:
        return case if matter or case.device == "cpu" else structs.replace(case, threads=0)

    return work


def _why_not(
    base: str,
    bases: Sequence[Figure],
    base_failure: str | None,
    new: str,
    news: Sequence[Figure],
    new_failure: str | None,
) -> str | None:
    """Why a case is not compared, in words; None where it can be."""
    for here, there, figures, failure in ((base, new, news, new_failure), (new, base, bases, base_failure)):
        if not figures:
            return f"only in {here}" + (f"; {there}: {failure}" if failure else "")
    for name, figures in ((base, bases), (new, news)):
        if len({(figure.effective, figure.machine) for figure in figures}) > 1:
            return f"{name} has it under several conditions (versions, machines or precision read back)"
    if not agree(bases[0].effective, news[0].effective):
        return f"precision read back differs: {_difference(bases[0].effective, news[0].effective)}"
    return None


def _difference(one: Effective, other: Effective) -> str:
    """`conv ieee / tf32`"""
    first, second = precision_read_back(one), precision_read_back(other)
    shared = (key for key in first if key in second and first[key] != second[key])
    return ", ".join(f"{key} {first[key]} / {second[key]}" for key in shared)


def _compare(bases: Iterable[Figure], news: Iterable[Figure], unit: Unit, margin: float) -> Iterator[Row]:
    others = {(figure.phase, figure.metric, figure.unit): figure for figure in news}
    for figure in bases:
        other = others.pop((figure.phase, figure.metric, figure.unit), None)
        if other is None:
            yield _one_sided(figure, None, "only in BASE")
        elif figure.metric in EXACT_METRICS:
            yield _exact(figure, other)
        elif any((*figure.medians, *other.medians)):  # what is zero on both sides says nothing
            yield _judged(figure, other, unit, margin)
    for figure in others.values():
        yield _one_sided(None, figure, "only in NEW")


def _judged(figure: Figure, other: Figure, unit: Unit, margin: float) -> Row:
    pairs = _pairs(figure, other) if unit == "pair" else []
    if pairs:
        base, new = [one for one, _ in pairs], [two for _, two in pairs]
        verdict = verdicts.paired([math.log(two / one) for one, two in pairs], margin)
    else:
        base, new = _values(figure, unit), _values(other, unit)
        verdict = verdicts.unpaired(base, new, margin)
    return Row(
        case=figure.case,
        phase=figure.phase,
        metric=figure.metric,
        unit=figure.unit,
        effective=figure.effective,
        base=centre(base),
        new=centre(new),
        tags=_tags(figure, other),
        paired=bool(pairs),
        **structs.asdict(verdict),
    )


def _pairs(figure: Figure, other: Figure) -> list[tuple[float, float]]:
    """The values of the pairs that both sides finished; none unless every process belongs to a pair.

    None either where a value has no logarithm.
    """
    of_base, of_new = _by_pair(figure), _by_pair(other)
    if min(*figure.medians, *other.medians) <= 0:
        return []
    return [(of_base[pair], of_new[pair]) for pair in sorted(of_base.keys() & of_new.keys())]


def _by_pair(figure: Figure) -> dict[int, float]:
    """Pair -> median; empty where a process has no pair or two have the same."""
    found = {
        pair: value for pair, value in zip(figure.pairs, figure.medians, strict=True) if pair is not None
    }
    return found if len(found) == len(figure.medians) else {}


def _values(figure: Figure, unit: Unit) -> list[float]:
    """A value for each process, or for each run that of its processes."""
    if unit != "run":
        return list(figure.medians)
    of_run: dict[int, list[float]] = {}
    for run, median in zip(figure.runs, figure.medians, strict=True):
        of_run.setdefault(run, []).append(median)
    return [centre(medians) for medians in of_run.values()]


def _exact(base: Figure, new: Figure) -> Row:
    """Equal when every process of both sides says the same."""
    equal = len({*base.medians, *new.medians}) == 1
    return Row(
        case=base.case,
        phase=base.phase,
        metric=base.metric,
        unit=base.unit,
        effective=base.effective,
        base=base.median,
        new=new.median,
        ratio=new.median / base.median if base.median > 0 else None,
        verdict="equal" if equal else "different",
        n_base=len(base.medians),
        n_new=len(new.medians),
    )


def _one_sided(base: Figure | None, new: Figure | None, reason: str) -> Row:
    figure = base or new
    assert figure is not None
    return Row(
        case=figure.case,
        phase=figure.phase,
        metric=figure.metric,
        unit=figure.unit,
        effective=figure.effective,
        base=base.median if base else None,
        new=new.median if new else None,
        n_base=len(base.medians) if base else 0,
        n_new=len(new.medians) if new else 0,
        reason=reason,
    )


def _tags(base: Figure, new: Figure) -> str | None:
    """The labels are about timing."""
    if base.unit != "s":
        return None
    labels = remarks([base, new])
    return str(labels) if labels else None
