"""Which processes come next, and when a run has enough of them: planted widths, planted records, no clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
from msgspec import structs

from bench.plan import expand
from bench.plan.suite import MOST_PROCESSES
from bench.runner.precision import Precision
from bench.runner.rounds import Round, Schedule, Target, Wide, Width
from bench.schema.case import Case
from bench.schema.record import Record, Status
from tests.planted import planted_records

CASES = [Case(model=model) for model in ("lenet5", "alexnet", "vgg11", "vgg16")]
LENET, ALEXNET, VGG11, VGG16 = CASES
AT_5 = Target(half=0.05, first=2, cases=CASES)
FIRST = expand.interleave_replicates(CASES, 2)


class Planted:
    """Widths that follow from the number of processes: `half[case](n)`; of fewer than two none is known."""

    def __init__(self, **halves: float) -> None:
        """Half width at two processes, which shrinks with the root of their number."""
        self._halves = halves
        self.restless: set[str] = set()
        self._good: dict[Case, set[int]] = {}

    def add(self, record: Record) -> None:
        if record.status == "ok":
            self._good.setdefault(record.case.without_replicate(), set()).add(record.case.replicate)

    def widths(self, target: float) -> Mapping[Case, Width]:
        return {
            case: Width(
                half=self._halves.get(case.model, 0.01) * math.sqrt(2 / len(numbers)),
                restless=case.model in self.restless,
            )
            for case, numbers in self._good.items()
            if len(numbers) > 1
        }


def ended(case: Case, status: Status = "ok", seconds: float = 10.0) -> Record:
    return structs.replace(planted_records.record(case, status=status), seconds=seconds)


def names(cases: Iterable[Case]) -> set[str]:
    return {case.model for case in cases}


def run(schedule: Schedule, rounds: int = 1000, seconds_left: float = math.inf) -> list[Round]:
    """Rounds in which every process ends ok."""
    found: list[Round] = []
    while len(found) < rounds and (round_ := schedule.next_round(seconds_left)):
        found.append(round_)
        for case in round_.cases:
            schedule.add(ended(case))
    return found


def test_all_cases_have_two_rounds_and_only_the_wide_ones_go_on() -> None:
    """vgg16 needs 8 processes (10% sqrt(2/8) = 5%), vgg11 three (6% sqrt(2/3) = 4.9%)."""
    schedule = Schedule(FIRST, [], AT_5, Planted(vgg11=0.06, vgg16=0.10))
    rounds = run(schedule)
    assert [names(each.cases) for each in rounds] == [
        names(CASES),
        names(CASES),
        {"vgg11", "vgg16"},
        *[{"vgg16"}] * 5,
    ]
    assert [each.number for each in rounds] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [each.is_planned for each in rounds] == [True] * 2 + [False] * 6
    assert all({case.replicate for case in each.cases} == {each.number} for each in rounds)
    assert schedule.wide() == []
    assert schedule.todo() == []


def test_a_round_says_how_far_the_run_is() -> None:
    schedule = Schedule(FIRST, [], AT_5, Planted(vgg11=0.06, vgg16=0.10))
    first, second, third, fourth, *_ = run(schedule)
    assert (first.unfinished, first.of, first.widest) == (4, 4, None)
    assert (second.unfinished, second.widest) == (4, None)
    assert (third.unfinished, third.widest) == (2, 0.10)
    assert fourth.unfinished == 1
    assert fourth.widest == pytest.approx(0.10 * math.sqrt(2 / 3))


def test_ten_processes_are_the_most() -> None:
    schedule = Schedule(FIRST, [], AT_5, Planted(vgg16=0.5))
    rounds = run(schedule)
    assert rounds[-1].number == MOST_PROCESSES == 10
    (wide,) = schedule.wide()
    assert (wide.case, wide.is_last) == (VGG16, True)
    assert wide.half == pytest.approx(0.5 * math.sqrt(2 / 10))


def test_a_fixed_number_asks_for_no_more() -> None:
    schedule = Schedule(FIRST, [], None, Planted(vgg16=0.5))
    assert [len(each.cases) for each in run(schedule)] == [4, 4]
    assert schedule.wide() == []


def test_a_round_is_in_the_order_that_a_fixed_number_of_rounds_has() -> None:
    """So that a case does not come at the same place of every round, and a resumed run has the same order."""
    schedule = Schedule(FIRST, [], AT_5, Planted(lenet5=0.3, alexnet=0.3, vgg11=0.3, vgg16=0.3))
    done = [case for each in run(schedule) for case in each.cases]
    assert done == expand.interleave_replicates(CASES, 10)


def test_without_a_verdict_of_its_processes_a_case_is_not_waited_for() -> None:
    """Skipped, out of memory or invalid: another process says the same. Two accidents are enough."""
    ends: dict[str, list[Status]] = {
        "lenet5": ["skipped"],
        "alexnet": ["oom"],
        "vgg11": ["crashed", "timeout"],
        "vgg16": ["crashed", "ok", "ok"],
    }
    schedule = Schedule(FIRST, [], AT_5, Planted())
    seen: Counter[str] = Counter()
    while round_ := schedule.next_round():
        for case in round_.cases:
            schedule.add(ended(case, ends[case.model][case.replicate - 1]))
            seen[case.model] += 1
    assert seen == {model: len(statuses) for model, statuses in ends.items()}
    assert schedule.wide() == []
    assert schedule.total == schedule.done == 7


def test_a_failed_process_counts_among_the_ten() -> None:
    schedule = Schedule(FIRST, [ended(structs.replace(VGG16, replicate=1))], AT_5, Planted(vgg16=0.5))
    for number in range(2, 12):
        round_ = schedule.next_round()
        if round_ is None:
            break
        for case in round_.cases:
            status: Status = "crashed" if case.model == "vgg16" and number == 3 else "ok"
            schedule.add(ended(case, status))
    assert schedule.next_round() is None
    (wide,) = schedule.wide()
    assert wide.half == pytest.approx(0.5 * math.sqrt(2 / 9))


def test_what_has_no_interval_is_not_waited_for() -> None:
    """Times that have no logs: two processes, and no third."""

    class Blind(Planted):
        def widths(self, target: float) -> Mapping[Case, Width]:
            return {}

    assert [len(each.cases) for each in run(Schedule(FIRST, [], AT_5, Blind()))] == [4, 4]


def two_rounds(halves: dict[str, float], seconds: dict[str, float]) -> tuple[Schedule, Planted]:
    planted = Planted(**halves)
    schedule = Schedule(FIRST, [], AT_5, planted)
    while (round_ := schedule.next_round()) and round_.is_planned:
        for case in round_.cases:
            schedule.add(ended(case, seconds=seconds[case.model]))
    return schedule, planted


HALVES = {"lenet5": 0.2, "alexnet": 0.4, "vgg11": 0.3, "vgg16": 0.9}
SECONDS = {"lenet5": 1.0, "alexnet": 4.0, "vgg11": 2.0, "vgg16": 30.0}
"""Half widths per second: 0.2, 0.1, 0.15, 0.03."""


def test_where_time_is_short_what_narrows_most_in_a_second_comes_first() -> None:
    schedule, _ = two_rounds(HALVES, SECONDS)
    plenty, short = schedule.next_round(70.0), schedule.next_round(8.0)
    assert plenty
    assert short
    assert plenty.cases == expand.one_round(CASES, 3)
    assert [case.model for case in short.cases] == ["lenet5", "vgg11", "alexnet"]


def test_a_case_whose_processes_take_very_long_has_none_while_others_gain_more() -> None:
    """vgg16 would gain 0.0055 a second, and alexnet 0.018 with its next process, and as much as vgg16 with
    its fourth."""
    schedule, _ = two_rounds(HALVES, SECONDS)
    round_ = schedule.next_round(35.0)
    assert round_
    assert names(round_.cases) == {"lenet5", "vgg11", "alexnet"}


def test_where_time_is_short_the_restless_come_first_of_all() -> None:
    schedule, planted = two_rounds(HALVES, SECONDS)
    planted.restless = {"vgg16", "alexnet"}
    short = schedule.next_round(38.0)
    assert short
    assert [case.model for case in short.cases] == ["alexnet", "vgg16", "lenet5", "vgg11"]


def test_what_would_not_end_in_the_time_is_not_begun() -> None:
    """And a shorter one is."""
    schedule, _ = two_rounds(HALVES, SECONDS)
    short = schedule.next_round(3.0)
    assert short
    assert [case.model for case in short.cases] == ["lenet5", "vgg11"]
    assert schedule.next_round(0.5) is None
    assert len(schedule.wide()) == 4


def records_of(rounds: Iterable[Round]) -> list[Record]:
    return [ended(case) for each in rounds for case in each.cases]


@pytest.mark.parametrize("kept", range(1, 15))
def test_a_run_that_is_interrupted_anywhere_goes_on_where_it_was(kept: int) -> None:
    """The records of the whole are the same, in the same order, wherever it was stopped."""
    halves = {"vgg11": 0.06, "vgg16": 0.10, "alexnet": 0.07}
    whole = records_of(run(Schedule(FIRST, [], AT_5, Planted(**halves))))
    resumed = Schedule(FIRST, whole[:kept], AT_5, Planted(**halves))
    rest = records_of(run(resumed))
    assert [each.case for each in whole[:kept] + rest] == [each.case for each in whole]
    assert resumed.done == len(whole)


def test_a_narrower_target_adds_processes_only_where_they_are_missing() -> None:
    """At 5% two processes of lenet5 (1%) and alexnet (4.5%), 3 of vgg11, 8 of vgg16. At 3% three come first,
    alexnet needs 5, vgg11 8, and vgg16 its ten."""
    halves = {"alexnet": 0.045, "vgg11": 0.06, "vgg16": 0.10}
    before = records_of(run(Schedule(FIRST, [], AT_5, Planted(**halves))))
    at_3 = Target(half=0.03, first=3, cases=CASES)
    schedule = Schedule(expand.interleave_replicates(CASES, 3), before, at_3, Planted(**halves))
    added = records_of(run(schedule))
    numbers: dict[str, list[int]] = {case.model: [] for case in CASES}
    for record in added:
        numbers[record.case.model].append(record.case.replicate)
    assert numbers == {"lenet5": [3], "alexnet": [3, 4, 5], "vgg11": [4, 5, 6, 7, 8], "vgg16": [9, 10]}
    assert [(each.case.model, each.is_last) for each in schedule.wide()] == [("vgg16", True)]


def test_a_crash_is_run_again_when_the_run_is_resumed_and_no_answer_is() -> None:
    ends: dict[str, Status] = {"lenet5": "ok", "alexnet": "crashed", "vgg11": "oom", "vgg16": "timeout"}
    before = [ended(case, ends[case.model]) for case in FIRST if case.replicate == 1]
    schedule = Schedule(FIRST, before, AT_5, Planted())
    first, second = run(schedule)
    assert names(first.cases) == {"alexnet", "vgg16"}
    assert first.number == 1
    assert names(second.cases) == {"lenet5", "alexnet", "vgg16"}


def test_a_ceiling_and_what_is_measured_once_have_no_further_rounds() -> None:
    ceiling = Case(model="ceilings", workload="ceiling")
    once = Case(model="vgg13")
    planned = [ceiling, *expand.one_round([*CASES, once], 1), *expand.one_round(CASES, 2)]
    schedule = Schedule(planned, [], AT_5, Planted(vgg16=0.5, vgg13=0.9, ceilings=0.9))
    counts = Counter(case.model for each in run(schedule) for case in each.cases)
    assert counts == {"ceilings": 1, "vgg13": 1, "lenet5": 2, "alexnet": 2, "vgg11": 2, "vgg16": 10}


def noisy(case: Case, off: float) -> Record:
    """A process that is `off` above or below the others, in turn."""
    turn = 1 if case.replicate % 2 else -1
    timed = planted_records.time("forward", 0.010 * math.exp(turn * off))
    return structs.replace(planted_records.record(case, timed), seconds=3.0)


def test_with_moderated_intervals_the_noisy_case_gets_the_processes() -> None:
    """Seven cases whose processes are 0.3% off and one whose are 6% off; no widths are planted."""
    cases = [Case(model="lenet5", seed=seed) for seed in range(7)] + [Case(model="vgg16")]
    schedule = Schedule(
        expand.interleave_replicates(cases, 2),
        [],
        Target(half=0.05, first=2, cases=cases),
        Precision(),
    )
    counts: Counter[str] = Counter()
    while round_ := schedule.next_round():
        for case in round_.cases:
            counts[case.model] += 1
            schedule.add(noisy(case, 0.06 if case.model == "vgg16" else 0.003))
    assert counts["lenet5"] <= 3 * 7
    assert 6 <= counts["vgg16"] < MOST_PROCESSES
    assert schedule.wide() == []


def test_wide_cases_come_widest_first() -> None:
    schedule, _ = two_rounds(HALVES, SECONDS)
    assert schedule.wide() == [
        Wide(case=case, half=HALVES[case.model], is_last=False) for case in (VGG16, ALEXNET, VGG11, LENET)
    ]
