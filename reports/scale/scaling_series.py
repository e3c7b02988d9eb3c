"""Numbers of ranks of one network and strategy that belong together, and what each gives over the fewest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from msgspec import Struct, structs

from bench import devices
from bench.schema.case import Case
from bench.schema.phases import whole
from bench.schema.ranks import Collective
from bench.stats import scaling, scaling_prediction
from bench.stats.estimates import mean
from bench.stats.link_arithmetic import Ceiling, ceilings_of, sent_bytes, total_message_seconds
from bench.stats.scaling import Losses, Scaling, StepParts
from bench.stats.scaling_prediction import MeasuredSize, Prediction
from reports.analysis.figure_ratios import ratio
from reports.scale.ranked_jobs import RankedJob
from reports.summary.figures import Figure

Kind = Literal["weak", "strong", "single"]
"""weak: the batch of each rank stays; strong: the batch of the job stays; single: nothing to compare with."""


class ScaledSize(Struct, frozen=True, kw_only=True):
    """One number of ranks.

    time     of the whole step, over the jobs
    jobs     of several ranks, by replicate; empty for one rank
    scaling  over the fewest ranks; None of these, and where there are no others
    losses   None where the strategy has no step without communication
    """

    case: Case
    time: Figure
    jobs: tuple[RankedJob, ...]
    scaling: Scaling | None = None
    losses: Losses | None = None

    @property
    def ranks(self) -> int:
        return self.case.ranks

    @property
    def parts(self) -> tuple[StepParts, ...]:
        """Of each job; one rank alone waits for nobody. Empty where no step goes without communication."""
        if self.ranks == 1:
            return tuple(
                StepParts(step=seconds, compute=seconds, skew=0.0, exposed=0.0)
                for seconds in self.time.medians
            )
        found = tuple(job.parts for job in self.jobs if job.parts is not None)
        return found if len(found) == len(self.jobs) else ()

    @property
    def why_no_parts(self) -> str:
        return next((job.why_no_parts for job in self.jobs if job.why_no_parts), "")

    @property
    def ceilings(self) -> dict[Collective, Ceiling]:
        """Of its own ranks, by the sweeps of all its jobs."""
        found = ceilings_of([link for job in self.jobs for link in job.links])
        return {each.collective: each for each in found}

    @property
    def sent_bytes(self) -> float:
        """What a rank sends in a step, by arithmetic."""
        traffic = self.jobs[0].traffic if self.jobs else ()
        return sum(sent_bytes(each, self.ranks) for each in traffic)

    @property
    def message_seconds(self) -> float | None:
        """What its messages would take alone, by the ceilings; None where one was not measured."""
        traffic = self.jobs[0].traffic if self.jobs else ()
        return total_message_seconds(traffic, self.ceilings, self.ranks)


class ScalingSeries(Struct, frozen=True, kw_only=True):
    """The fewest ranks first."""

    strategy: str
    kind: Kind
    sizes: tuple[ScaledSize, ...]

    @property
    def several(self) -> tuple[ScaledSize, ...]:
        """Those of several ranks; one at least."""
        return tuple(size for size in self.sizes if size.ranks > 1)

    @property
    def most(self) -> ScaledSize:
        return self.sizes[-1]

    @property
    def unit(self) -> str:
        """What a rank runs on: `GPU`, `rank`."""
        return "rank" if devices.traits(self.most.case.device).is_host else "GPU"

    @property
    def shares_a_host(self) -> bool:
        return any(job.shares_a_host for size in self.several for job in size.jobs)


def series_of(figures: Sequence[Figure], jobs: Sequence[RankedJob]) -> tuple[ScalingSeries, ...]:
    """Of the whole steps' times by the device's best clock, and of the jobs behind those of several ranks."""
    by_case: dict[Case, list[RankedJob]] = {}
    for job in jobs:
        by_case.setdefault(job.case, []).append(job)
    sizes = [
        ScaledSize(case=figure.case, time=figure, jobs=tuple(by_case.get(figure.case, ())))
        for figure in _step_times(figures)
    ]
    ranked = [size for size in sizes if size.ranks > 1]
    found: list[ScalingSeries] = []
    for strategy in dict.fromkeys(size.case.strategy for size in ranked):
        alike = [size for size in sizes if size.case.strategy in (strategy, "")]
        found += _of_strategy(strategy, alike)
    return tuple(found)


def _step_times(figures: Sequence[Figure]) -> Iterator[Figure]:
    """Those of whole steps by the best clock of each case."""
    for figure in figures:
        if figure.layer is None and figure.phase == whole(figure.case):
            clocks = devices.traits(figure.case.device).clocks
            if figure.metric == clocks[0]:
                yield figure


def _of_strategy(strategy: str, sizes: Sequence[ScaledSize]) -> Iterator[ScalingSeries]:
    """Weak series, strong ones, then what belongs to neither."""
    keys: dict[Kind, Callable[[Case], float]] = {
        "weak": lambda case: case.batch / case.ranks,
        "strong": lambda case: case.batch,
    }
    told = set()
    for kind, key in keys.items():
        groups: dict[object, list[ScaledSize]] = {}
        for size in sizes:
            groups.setdefault((_but_ranks(size), key(size.case)), []).append(size)
        for group in groups.values():
            if len({size.ranks for size in group}) > 1:
                told |= {size.case for size in group}
                yield _scaled(strategy, kind, sorted(group, key=lambda size: size.ranks))
    for size in sizes:
        if size.ranks > 1 and size.case not in told:
            yield _scaled(strategy, "single", [size])


def _but_ranks(size: ScaledSize) -> tuple[object, ...]:
    """What is equal in a series."""
    case = structs.replace(size.case, ranks=1, strategy="", batch=0)
    return case, size.time.network, size.time.machine


def _scaled(strategy: str, kind: Kind, sizes: Sequence[ScaledSize]) -> ScalingSeries:
    fewest = sizes[0]
    return ScalingSeries(
        strategy=strategy, kind=kind, sizes=(fewest, *(_over(fewest, size) for size in sizes[1:]))
    )


def _over(fewest: ScaledSize, size: ScaledSize) -> ScaledSize:
    ranks, batches = (fewest.ranks, size.ranks), (fewest.case.batch, size.case.batch)
    found = scaling.scaling(ratio(fewest.time, size.time), ranks, batches)
    if not size.parts:
        return structs.replace(size, scaling=found)

    def ideal(fewest_seconds: float) -> float:
        return scaling.ideal_seconds(fewest_seconds, ranks, batches)

    known = fewest.time.interval
    ends = (ideal(known.low), ideal(known.high)) if known is not None and known.is_across else None
    losses = scaling.losses(size.parts, ideal(fewest.time.median), ends)
    return structs.replace(size, scaling=found, losses=losses)


def prediction_of(series: ScalingSeries) -> Prediction | None:
    """Of twice the most ranks; None where the series is too short, a part or a ceiling is missing, or what is
    sent changes with the ranks (of `hybrid-2014` it does): nothing then says what twice as many send."""
    if series.kind == "single" or not series.most.jobs or _changes_what_it_sends(series):
        return None
    measured = [_measured(size) for size in series.sizes]
    ranks = 2 * series.most.ranks
    ceilings, traffic = series.most.ceilings, series.most.jobs[0].traffic
    messages = total_message_seconds(traffic, ceilings, ranks)
    if messages is None or None in measured:
        return None
    known = [size for size in measured if size is not None]
    return scaling_prediction.predict(known, ranks, messages, is_weak=series.kind == "weak")


def _changes_what_it_sends(series: ScalingSeries) -> bool:
    """Whether its numbers of ranks differ in the messages of a step."""
    return len({job.traffic for size in series.several for job in size.jobs}) > 1


def _measured(size: ScaledSize) -> MeasuredSize | None:
    messages = size.message_seconds
    if not size.parts or messages is None:
        return None
    return MeasuredSize(
        ranks=size.ranks,
        step=size.time.median,
        compute=mean([each.compute for each in size.parts]),
        skew=mean([each.skew for each in size.parts]),
        exposed=mean([each.exposed for each in size.parts]),
        messages=messages,
    )
