"""Two sides' figures -> rows: what is the same work is compared, and what is not says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from bench import devices
from bench.schema.case import Case
from bench.schema.case_warnings import Label
from reports.compare.accuracy_matching import TO_TARGET, Trained, accuracy_rows, why_no_target
from reports.compare.comparison_rows import (
    COMPARED_UNITS,
    EXACT_METRICS,
    ComparisonRow,
    ReplicationUnit,
    one_sided,
)
from reports.compare.judging import judge, judge_in_cycles
from reports.compare.sizes_of_one import row_of_sizes
from reports.compare.what_decides import what_decides
from reports.summary.figures import (
    ACCURACY,
    FailedProcesses,
    Figure,
    ReadBack,
    is_of_layers,
    place,
    same_precision,
)
from reports.summary.seeds import diverged

NO_COSTS = ("training_time", "energy_window", "energy_tick_period", "power_sensor_period")
"""A sum of what is compared already, for how long energy was counted, and how often its sensors move."""


SEVERAL = "has it under several conditions"
"""Of a side whose figures of one case cannot be one figure."""

Bounds = Mapping[Figure, str]
"""Time -> `compute-bound` or another word of `reports.analysis.utilisation`."""


class ComparedRun(Struct, frozen=True):
    """What one side measured, what failed there, what held its times back where its ceilings say so, and how
    many seconds a process of a case takes."""

    name: str
    figures: tuple[Figure, ...]
    outcomes: tuple[FailedProcesses, ...]
    bounds: Bounds = {}
    seconds: Mapping[Case, float] = {}

    @property
    def cases(self) -> list[Case]:
        """Those of which there are figures."""
        return list(dict.fromkeys(figure.case for figure in self.figures))


def match(
    base: ComparedRun, new: ComparedRun, unit: ReplicationUnit, margin: float
) -> tuple[ComparisonRow, ...]:
    """A row for each figure of either side that can be compared in kind, in the order of BASE."""
    work = _work(base, new)
    groups: dict[Case, tuple[list[Figure], list[Figure]]] = {}
    for at, side in enumerate((base, new)):
        for figure in side.figures:
            if _is_compared(figure):
                groups.setdefault(work(figure.case), ([], []))[at].append(figure)
    failures = tuple({work(o.case): o.status for o in side.outcomes} for side in (base, new))
    lost = tuple({work(c): found for c, found in diverged(s.outcomes).items()} for s in (base, new))
    rows: list[ComparisonRow] = []
    for case, (bases, news) in groups.items():
        reason = _why_not(base.name, bases, failures[0].get(case), new.name, news, failures[1].get(case))
        one = Trained(base.name, bases, lost[0].get(case, frozenset()))
        other = Trained(new.name, news, lost[1].get(case, frozenset()))
        rows += accuracy_rows(one, other, reason)
        if reason is None:
            rows += _compare(one, other, unit, margin, (base, new))
        else:
            rows += _all_one_sided(one, other, reason)
    return tuple(rows)


def have_a_case_in_common(base: ComparedRun, new: ComparedRun) -> bool:
    """Whether both sides measured the same network, whatever forbids to compare it; where neither measured
    any, the same peak."""
    work = _work(base, new)
    sides = [set(side.cases) for side in (base, new)]
    if any(case.workload != "ceiling" for side in sides for case in side):
        sides = [{case for case in side if case.workload != "ceiling"} for side in sides]
    one, other = ({work(case) for case in side} for side in sides)
    return not one.isdisjoint(other)


def _is_compared(figure: Figure) -> bool:
    if is_of_layers(figure):  # a hundred rows for what the whole step says in one
        return False
    return figure.metric not in NO_COSTS and (
        figure.unit in COMPARED_UNITS or figure.metric in (*EXACT_METRICS, ACCURACY)
    )


def _all_one_sided(base: Trained, new: Trained, reason: str) -> Iterator[ComparisonRow]:
    yield from (one_sided(figure, None, reason) for figure in _costs(base))
    yield from (one_sided(None, figure, reason) for figure in _costs(new))


def _costs(side: Trained) -> list[Figure]:
    """Everything but what was learned."""
    return [figure for figure in side.figures if figure.metric != ACCURACY]


def _work(*sides: ComparedRun) -> Callable[[Case], Case]:
    """What must be equal. The CPU threads belong to a GPU's work only where a side varies them."""
    threads_aside = [
        {f.case.threads for f in side.figures if not devices.traits(f.case.device).is_host} for side in sides
    ]
    matter = any(len(threads) > 1 for threads in threads_aside)

    def work(case: Case) -> Case:
        return case if matter or devices.traits(case.device).is_host else structs.replace(case, threads=0)

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
        if len({(figure.effective, figure.machine, figure.network) for figure in figures}) > 1:
            what = "versions, machines, networks or precision read back"
            return f"{name} {SEVERAL} ({what})"
    if bases[0].effective.inputs != news[0].effective.inputs:
        return f"inputs differ: {bases[0].effective.inputs} / {news[0].effective.inputs}"
    if not same_precision(bases[0].effective, news[0].effective):
        return f"precision read back differs: {_difference(bases[0].effective, news[0].effective)}"
    return None


def _difference(one: ReadBack, other: ReadBack) -> str:
    """`conv ieee / tf32`"""
    first, second = dict(one.precision), dict(other.precision)
    shared = (key for key in first if key in second and first[key] != second[key])
    return ", ".join(f"{key} {first[key]} / {second[key]}" for key in shared)


def _compare(
    base: Trained, new: Trained, unit: ReplicationUnit, margin: float, runs: tuple[ComparedRun, ComparedRun]
) -> Iterator[ComparisonRow]:
    others = {_key(figure): figure for figure in _costs(new)}
    unreached = why_no_target(base) or why_no_target(new)
    for figure in _costs(base):
        other = others.pop(_key(figure), None)
        if figure.metric in TO_TARGET and unreached:
            yield one_sided(figure, other, unreached)
        elif other is None:
            yield one_sided(figure, None, "only in BASE")
        elif figure.metric in EXACT_METRICS:
            yield _exact(figure, other)
        elif unit != "run" and (row := row_of_sizes(figure, other, margin)) is not None:
            yield row
        elif any((*figure.medians, *other.medians)):  # what is zero on both sides says nothing
            yield _judged(figure, other, unit, margin, runs)
    for figure in others.values():
        reason = unreached if figure.metric in TO_TARGET else None
        yield one_sided(None, figure, reason or "only in NEW")


def _key(figure: Figure) -> tuple[object, ...]:
    """What is equal on both sides of a comparison."""
    return (figure.phase, figure.product, figure.metric, figure.unit)


def _judged(
    figure: Figure, other: Figure, unit: ReplicationUnit, margin: float, runs: tuple[ComparedRun, ComparedRun]
) -> ComparisonRow:
    judgement = judge(figure, other, unit, margin)
    bounds = {runs[0].bounds.get(figure), runs[1].bounds.get(other)} - {None}
    compute_bound = bounds == {"compute-bound"} if bounds else None
    clocks = judge_in_cycles(figure, other, judgement.verdict, unit, margin, compute_bound)
    labels = _labels(figure, other)
    return ComparisonRow(
        case=figure.case,
        phase=place(figure),
        metric=figure.metric,
        unit=figure.unit,
        effective=figure.effective,
        base=judgement.base,
        new=judgement.new,
        base_interval=judgement.base_interval,
        new_interval=judgement.new_interval,
        tags=", ".join(labels) or None,
        labels=labels,
        paired=judgement.paired,
        caches=figure.caches,
        own_sd=judgement.own_sd,
        across=judgement.several.kind if judgement.several else None,
        changes=judgement.several.changes if judgement.several else (),
        against=judgement.several.against if judgement.several else (),
        unpaired_units=judgement.several.unpaired_units if judgement.several else 0,
        moderated=judgement.moderated,
        what_decides=what_decides(
            judgement, unit, (runs[0].seconds.get(figure.case), runs[1].seconds.get(other.case))
        ),
        **structs.asdict(judgement.verdict),
        **structs.asdict(clocks),
    )


def _exact(base: Figure, new: Figure) -> ComparisonRow:
    """Equal when every process of both sides says the same."""
    equal = len({*base.medians, *new.medians}) == 1
    return ComparisonRow(
        case=base.case,
        phase=place(base),
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


def _labels(base: Figure, new: Figure) -> tuple[Label, ...]:
    """Of the warnings on either side, which are about timing."""
    return tuple(dict.fromkeys((*base.tags, *new.tags))) if base.unit == "s" else ()
