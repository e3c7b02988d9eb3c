"""Which processes come next: those that were planned, then more of the cases whose intervals are too wide.

A round holds at most one process of a case, and has a fork server of its own. The rule stands in
docs/method.md, "How many processes".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, structs

from bench.plan import estimate, expand, feasibility, plan_processes
from bench.plan.suite import MOST_PROCESSES, first_processes
from bench.runner.dealt_time import Candidate, deal
from bench.runner.standing import Standing
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Record

_UNKNOWN_HALF = 1.0
"""Of a case without an interval yet, half width."""


class Width(Struct, frozen=True, kw_only=True):
    """What the run so far knows of a case.

    half      half width of its interval, relative
    restless  whether its processes differ more than the rest of the run leads to expect
    more      about how many further processes would bring `half` to the target; None where too many
    """

    half: float
    restless: bool = False
    more: int | None = None


class Widths(Protocol):
    """Of all cases of a run so far, under `Case.without_replicate`."""

    def add(self, record: Record) -> None:
        """Take a record in; of several of one process the last counts."""

    def widths(self, target: float) -> Mapping[Case, Width]:
        """Of each case that has an interval: those of all cases together decide how wide each is."""


class Target(Struct, frozen=True, kw_only=True):
    """When a case is finished: at least `first` processes ended `ok`, and half the width of its interval is
    at most `half` (relative). `cases` are those that this is about, each once."""

    half: float
    first: int
    cases: Sequence[Case]


def target_of(plan: KeptPlan | None) -> Target | None:
    """What a plan asks for; None where it fixes the number of processes."""
    if plan is None or plan.until is None:
        return None
    return Target(half=plan.until, first=first_processes(plan.until), cases=plan_processes.waited_for(plan))


class Round(Struct, frozen=True, kw_only=True):
    """Processes that share a fork server.

    is_planned  whether they do not depend on intervals
    unfinished  cases that have not met the target, of those that it is about
    widest      half width of the widest of them; None where none is known, or without a target
    """

    number: int
    cases: Sequence[Case]
    is_planned: bool
    unfinished: int = 0
    of: int = 0
    widest: float | None = None


class Wide(Struct, frozen=True, kw_only=True):
    """A case that did not meet its target; `half` is None where it has no interval.

    is_last  whether it has had as many processes as a case may have
    """

    case: Case
    half: float | None
    is_last: bool


class Schedule:
    """The rounds of a run, and what its records have said so far: each is read once.

    done     processes that are over
    total    with those that are planned or expected
    further  processes that the target asked for, beside the planned ones
    """

    def __init__(
        self, planned: Sequence[Case], records: Iterable[Record], target: Target | None, widths: Widths
    ) -> None:
        """For a run whose folder holds `records`; without a target only what is planned is run."""
        self.target, self._widths = target, widths
        self._planned = planned
        self._standings: dict[Case, Standing] = {}
        self._is_open: dict[Case, bool] = {}
        for record in records:
            self.add_earlier(record)
        self.begin()

    def add_earlier(self, record: Record) -> None:
        """A record of the folder, of before this sitting; `begin` is to be called after the last."""
        self._is_open[record.case] = feasibility.is_retried(record)
        self._note(record, is_over=not self._is_open[record.case])

    def begin(self) -> None:
        """See what the earlier records leave of the plan."""
        over = {case for case, again in self._is_open.items() if not again}
        self._todo = [case for case in self._planned if case not in over]
        self._over = [case for case in self._planned if case in over]
        aimed_at = set(self._of_target())
        self.further = {case for case in over if structs.replace(case, replicate=1) in aimed_at}
        self.done = len(self.further.union(self._over))
        self.total = self.done + len(self._todo)

    def add(self, record: Record) -> None:
        """What has just ended."""
        if record.case in self._todo:
            self._todo.remove(record.case)
        else:
            self.further.add(record.case)
        self.done += 1
        self._note(record, is_over=True)

    def todo(self) -> list[Case]:
        """Planned processes that have not been run, in their order."""
        return list(self._todo)

    def over(self) -> list[Case]:
        """Planned processes that earlier records have finished."""
        return list(self._over)

    def wide(self) -> list[Wide]:
        """Cases that were waited for and have not met the target, the widest first."""
        found = self._intervals()
        wide = [
            Wide(case=case, half=_half(case, found), is_last=self._has_had_all(case))
            for case in self._unfinished(found)
        ]
        return sorted(wide, key=lambda each: math.inf if each.half is None else each.half, reverse=True)

    def next_round(self, seconds_left: float = math.inf) -> Round | None:
        """What comes now; None at the end.

        A further round holds the cases that `seconds_left` are worth spending on (`dealt_time`). Where they
        do not last for the whole round, the case with most to gain in a second comes first; none comes that
        would probably not end in them.
        """
        self._leave_out_given_up()
        found = self._intervals()
        if self._todo:
            number = self._todo[0].replicate
            same = itertools.takewhile(lambda case: case.replicate == number, self._todo)
            return self._round(number, list(same), found, is_planned=True)
        waiting = [
            case
            for case in self._unfinished(found)
            if not self._has_had_all(case) and self.fits(case, seconds_left)
        ]
        self.total = self.done + sum(self._expected_more(case, found) for case in waiting)
        waiting = self._worth_it(waiting, found, seconds_left)
        if not waiting:
            return None
        # Those behind come alone: after an interrupted round its rest, after a lower target the early ones.
        number = min(map(self._next_number, waiting))
        round_ = [
            case
            for case in expand.one_round(self._of_target(), number)
            if structs.replace(case, replicate=1) in waiting and self._next_number(case) == number
        ]
        expected = sum(self._standing(case).expected_seconds() for case in round_)
        if expected + estimate.server_seconds(round_) > seconds_left:
            round_.sort(key=lambda case: self._urgency(case, found), reverse=True)
        return self._round(number, round_, found, is_planned=False)

    def fits(self, case: Case, seconds_left: float) -> bool:
        """Whether another process of a case will probably end in so many seconds."""
        return self._standing(case).expected_seconds() <= seconds_left

    def _round(
        self, number: int, cases: list[Case], found: Mapping[Case, Width], *, is_planned: bool
    ) -> Round:
        unfinished = self._unfinished(found)
        halves = [half for case in unfinished if (half := _half(case, found)) is not None]
        return Round(
            number=number,
            cases=cases,
            is_planned=is_planned,
            unfinished=len(unfinished),
            of=len(self._of_target()),
            widest=max(halves, default=None),
        )

    def _note(self, record: Record, *, is_over: bool) -> None:
        standing = self._standing(record.case)
        if is_over:
            standing.ended[record.case.replicate] = record.status
        if record.seconds is not None:
            standing.seconds.append(record.seconds)
        if self.target is not None:
            self._widths.add(record)

    def _standing(self, case: Case) -> Standing:
        return self._standings.setdefault(case.without_replicate(), Standing())

    def _of_target(self) -> Sequence[Case]:
        return self.target.cases if self.target else ()

    def _intervals(self) -> Mapping[Case, Width]:
        return self._widths.widths(self.target.half) if self.target else {}

    def _leave_out_given_up(self) -> None:
        """With a target, of the planned ones too: a second process would only say the same."""
        if self.target is not None:
            kept = [case for case in self._todo if not self._standing(case).is_given_up()]
            self.total -= len(self._todo) - len(kept)
            self._todo = kept

    def _unfinished(self, found: Mapping[Case, Width]) -> list[Case]:
        """In the order of the plan."""
        return [case for case in self._of_target() if not self._is_finished(case, found)]

    def _is_finished(self, case: Case, found: Mapping[Case, Width]) -> bool:
        assert self.target is not None
        standing, half = self._standing(case), _half(case, found)
        if standing.is_given_up():
            return True
        if standing.good() < self.target.first:
            return False
        return half is None or half <= self.target.half  # None: what it measured has no interval

    def _has_had_all(self, case: Case) -> bool:
        return len(self._standing(case).ended) >= MOST_PROCESSES

    def _next_number(self, case: Case) -> int:
        return self._standing(case).next_number()

    def _urgency(self, case: Case, found: Mapping[Case, Width]) -> tuple[bool, float]:
        width = found.get(case.without_replicate())
        if width is None:
            return False, math.inf
        return width.restless, width.half / self._standing(case).expected_seconds()

    def _worth_it(
        self, waiting: Sequence[Case], found: Mapping[Case, Width], seconds_left: float
    ) -> list[Case]:
        """Those that get a process of the time that is left."""
        if seconds_left == math.inf:
            return list(waiting)
        dealt = deal([self._candidate(case, found) for case in waiting], seconds_left)
        return [case for case, further in zip(waiting, dealt, strict=True) if further]

    def _candidate(self, case: Case, found: Mapping[Case, Width]) -> Candidate:
        assert self.target is not None
        standing, width = self._standing(case), found.get(case.without_replicate())
        return Candidate(
            half=_UNKNOWN_HALF if width is None else width.half,
            target=self.target.half,
            processes=max(1, standing.good()),
            most=MOST_PROCESSES - len(standing.ended),
            seconds=standing.expected_seconds(),
            is_first=width is None or width.restless,
        )

    def _expected_more(self, case: Case, found: Mapping[Case, Width]) -> int:
        assert self.target is not None
        standing, width = self._standing(case), found.get(case.without_replicate())
        most = MOST_PROCESSES - len(standing.ended)
        more = self.target.first - standing.good() if width is None else width.more
        return max(1, most if more is None else min(more, most))


def _half(case: Case, found: Mapping[Case, Width]) -> float | None:
    width = found.get(case.without_replicate())
    return None if width is None else width.half
