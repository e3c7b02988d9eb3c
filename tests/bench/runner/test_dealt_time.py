"""What the time left is spent on, against a search of every way to spend it."""

from __future__ import annotations

import itertools
import math

import pytest

from bench.runner.dealt_time import Candidate, deal


def candidate(
    half: float, seconds: float, processes: int = 2, most: int = 8, is_first: bool = False
) -> Candidate:
    return Candidate(
        half=half, target=0.05, processes=processes, most=most, seconds=seconds, is_first=is_first
    )


def test_a_case_gets_no_more_than_its_target_needs() -> None:
    """6% falls below 5% with one more than two processes: 6% sqrt(2/3) = 4.9%."""
    assert deal([candidate(0.06, 1.0)], math.inf) == [1]


def test_a_case_gets_no_more_than_it_may_have() -> None:
    assert deal([candidate(0.5, 1.0, most=3), candidate(0.5, 1.0, most=0)], math.inf) == [3, 0]


def test_what_takes_ten_times_as_long_waits_until_it_gains_more() -> None:
    """Alike but for the seconds: the short one has all of its eight before the long one has any."""
    short, long = candidate(0.2, 1.0), candidate(0.2, 10.0)
    assert deal([long, short], 9.0) == [0, 8]
    assert deal([long, short], 18.0) == [1, 8]


def test_one_that_does_not_fit_leaves_the_time_to_one_that_does() -> None:
    assert deal([candidate(0.9, 10.0), candidate(0.06, 1.0)], 5.0) == [0, 1]


def test_the_first_comes_first_and_then_as_the_others() -> None:
    ordinary, first = candidate(0.3, 1.0), candidate(0.1, 3.0, is_first=True)
    assert deal([ordinary, first], 3.0) == [0, 1]
    assert deal([ordinary, first], 5.0) == [2, 1]


@pytest.mark.parametrize("seconds", [3.0, 7.0, 12.0, 20.0])
def test_nothing_that_fits_narrows_all_intervals_together_more(seconds: float) -> None:
    """Where all processes take a second, dealing one by one is the best that there is."""
    candidates = [candidate(half, 1.0) for half in (0.08, 0.15, 0.4)]

    def total(dealt: tuple[int, ...]) -> float:
        return sum(each.half_after(further) for each, further in zip(candidates, dealt, strict=True))

    found = tuple(deal(candidates, seconds))
    ways = [way for way in itertools.product(range(9), repeat=3) if sum(way) <= sum(found)]
    assert sum(found) <= seconds
    reachable = [way for way in ways if all(w <= 8 for w in way)]
    assert total(found) <= min(map(total, reachable)) + max(
        each.half_after(further - 1) - each.half_after(further)
        for each, further in zip(candidates, found, strict=True)
        if further
    )
