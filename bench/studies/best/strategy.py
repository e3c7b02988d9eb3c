"""Which configuration to try next, and which is the best so far. Pure: decides on what is known alone.

First every precision with every layout, run by the plainest engine; then the engine that compiles, for the
few of these pairs that were fastest; then one axis at a time from the best, as long as that finds a better.
Compiling takes most of the time of a search, and does not change which arithmetic a processor is good at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct, structs

from bench.plan.axes import Value
from bench.schema.case import Case
from bench.schema.phases import whole
from bench.schema.record import Record, Status, find
from bench.stats.estimates import Interval, median, within_process

FEW = 3
"""So many pairs of precision and layout are also tried compiled."""
GIVE_UP = 1.1
"""A candidate whose step takes this many times the best one's, for as many images, is not measured longer:
the processes of one configuration differ by less."""
FAR = 5.0
"""A precision that takes this many times as long as the best so far is tried in one layout only: layouts were
seen to differ by up to 3."""
CLOSE = 1.05
"""The winner's lead in one process each is taken for chance up to here, also where intervals are apart."""
MOST_RIVALS = 2
SEARCHED = ("tuning", "engine", "threads", "batch", "layout", "precision")
"""The axes of a search, in the order in which they are changed one at a time: promising ones first."""


class Space(Struct, frozen=True, kw_only=True):
    """What may be combined: for each axis its values, the plain one first; `base` has the first of each."""

    base: Case
    values: Mapping[str, tuple[Value, ...]]


class Failure(Struct, frozen=True):
    """Why there is no time that counts: how the process ended, or a warning that makes its time worth
    nothing; and the reason, where there is more to say."""

    status: Status | Literal["non-finite-loss", "non-finite-output"]
    reason: str = ""


class CandidateResult(Struct, frozen=True, kw_only=True):
    """What is known of one candidate.

    case      with replicate 0
    seconds   the median wall time of its whole step; None where it failed
    interval  of that median, within the process
    given_up  whether sampling ended because it was surely worse than the best
    failure   why there is no time that counts
    """

    case: Case
    seconds: float | None = None
    interval: Interval | None = None
    samples: int = 0
    given_up: bool = False
    failure: Failure | None = None

    @property
    def images_per_second(self) -> float:
        """0 where it failed."""
        return self.case.batch / self.seconds if self.seconds else 0.0


Results = Mapping[Case, CandidateResult]
"""By case, with replicate 0, in the order of trying."""


def result_of(record: Record) -> CandidateResult:
    """What a candidate's process found. Numbers that are no numbers make a fast step worth nothing."""
    case = record.case.without_replicate()
    for warning in record.warnings:
        if warning.label in ("non-finite-loss", "non-finite-output"):
            return CandidateResult(case=case, failure=Failure(warning.label, warning.detail))
    wall = find(record.measurements, whole(case), "wall_time")
    if record.status != "ok" or wall is None:
        return CandidateResult(case=case, failure=Failure(record.status, record.reason or ""))
    return CandidateResult(
        case=case,
        seconds=median(wall.samples),
        interval=within_process(sorted(wall.samples)),
        samples=len(wall.samples),
        given_up=wall.stopped == "worse",
    )


def ranked(known: Results) -> list[CandidateResult]:
    """Those that have a time, fastest first; of equal ones the one that was tried first."""
    timed = [one for one in known.values() if one.seconds]
    return sorted(timed, key=lambda one: one.images_per_second, reverse=True)


def give_up_seconds(case: Case, known: Results) -> float | None:
    """The step time above which this candidate is not worth its samples; None while nothing is known."""
    leaders = ranked(known)
    return GIVE_UP * case.batch / leaders[0].images_per_second if leaders else None


def next_candidate(space: Space, known: Results, is_possible: Callable[[Case], bool]) -> Case | None:
    """The candidate to try next; None where nothing is left that could be better."""
    for stage in (_pairs, _compiled, _refined):
        for case in stage(space, known):
            if case not in known and is_possible(case):
                return case
    return None


def first_candidates(space: Space) -> list[Case]:
    """What a search tries first, if no precision is far slower than another."""
    return list(_pairs(space, {}))


def _pairs(space: Space, known: Results) -> Iterator[Case]:
    for precision in space.values["precision"]:
        first, *others = [
            structs.replace(space.base, **{"precision": precision, "layout": layout})
            for layout in space.values["layout"]
        ]
        yield first
        if not _is_far(first, known):
            yield from others


def _is_far(case: Case, known: Results) -> bool:
    """Whether a case was far slower than the best, or not done in its time."""
    if case not in known:
        return False
    one, leaders = known[case], ranked(known)
    if one.failure is not None:
        return one.failure.status == "timeout"
    return FAR * one.images_per_second < leaders[0].images_per_second


def _compiled(space: Space, known: Results) -> Iterator[Case]:
    """The second engine for the pairs that were fastest with the first."""
    for engine in space.values["engine"][1:2]:
        for one in _fastest_pairs(space, known):
            yield structs.replace(one, **{"engine": engine})


def _fastest_pairs(space: Space, known: Results) -> list[Case]:
    pairs = set(_pairs(space, known))
    return [one.case for one in ranked(known) if one.case in pairs][:FEW]


def _refined(space: Space, known: Results) -> Iterator[Case]:
    """What differs in one axis from the best, and in its tuning from the best of the second engine: what
    only compiled code can have may make up for what compiling lost."""
    leaders = ranked(known)
    if not leaders:
        return
    few = {(case.precision, case.layout) for case in _fastest_pairs(space, known)}
    for axis in SEARCHED:
        for case in _changed(leaders[0].case, axis, space):
            if (case.precision, case.layout) in few:
                yield case
    for compiled in [one for one in leaders if one.case.engine in space.values["engine"][1:2]][:1]:
        yield from _changed(compiled.case, "tuning", space)


def _changed(case: Case, axis: str, space: Space) -> Iterable[Case]:
    return (structs.replace(case, **{axis: value}) for value in space.values[axis])


def enlarged(space: Space, most: int | None) -> Space:
    """The space with the largest batch that fits too, and its half and quarter: the largest need not be the
    fastest. What is smaller than the batches there are is left out."""
    batches = space.values["batch"]
    parts = [most // part for part in (1, 2, 4)] if most else []
    larger = tuple(part for part in parts if part > max(int(batch) for batch in batches))
    return structs.replace(space, values={**space.values, "batch": (*batches, *larger)})


def rivals(known: Results) -> Sequence[CandidateResult]:
    """Those that may be as fast as the winner: close to it, or with an interval that meets its own.

    Of the winner's batch only: pairs of steps compare steps.
    """
    leaders = ranked(known)
    return [one for one in leaders[1:] if _is_close(leaders[0], one)][:MOST_RIVALS]


def _is_close(winner: CandidateResult, other: CandidateResult) -> bool:
    assert winner.seconds is not None
    assert other.seconds is not None
    if winner.case.batch != other.case.batch:
        return False
    high = winner.interval.high if winner.interval else winner.seconds
    low = other.interval.low if other.interval else other.seconds
    return other.seconds <= CLOSE * winner.seconds or low <= high


def is_same_work(case: Case, base: Case) -> bool:
    """Whether a case differs from the base in nothing but what is searched for."""
    return case.without_replicate() == structs.replace(
        base, **{axis: getattr(case, axis) for axis in SEARCHED}, replicate=0
    )


def plain(space: Space, winner: Case) -> Case:
    """What the winner is compared with: the same work in fp32, eager, as PyTorch lays it out."""
    return structs.replace(
        winner,
        precision="fp32",
        engine="eager",
        layout="nchw",
        tuning="",
        threads=space.base.threads,
    )
