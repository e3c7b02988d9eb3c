"""A step toward slower that a later one took back is told as one that is over."""

from __future__ import annotations

import math

import pytest
from msgspec import structs

from bench.schema.acknowledgement import What
from bench.stats.run_series import Shift
from reports.over_time.reverted import takes_back, with_reverted
from reports.over_time.trended import ToldChange
from tests.planted.planted_case_series import series
from tests.reports.over_time.test_told_changes import answer


def shift(share: float, half: float = 0.01) -> Shift:
    log = math.log1p(share)
    return Shift(log_ratio=log, low=log - half, high=log + half)


def told(at: int, share: float, what: What = "step") -> ToldChange:
    return ToldChange(name=f"vgg16-{at}", what=what, at=at, told_at=at + 2, shift=shift(share))


BACK = 1 / 1.4 - 1
"""As before 40% more."""


def pairs(*changes: ToldChange) -> list[tuple[int, int]]:
    """The runs of each step that was taken back, and of what took it back; both say so alike."""
    found = with_reverted(changes)
    assert [(each.name, each.at, each.shift) for each in found] == [
        (each.name, each.at, each.shift) for each in changes
    ]
    ends = [(each.at, each.reverted.at) for each in found if each.reverted is not None]
    assert sorted(ends) == sorted((each.reverts, each.at) for each in found if each.reverts is not None)
    return ends


def test_a_clock_that_was_set_right_again_is_one_event() -> None:
    slower, faster = with_reverted([told(10, 0.4, "boundary"), told(14, BACK, "boundary")])
    assert (slower.is_lasting, faster.is_lasting) == (False, False)
    assert (slower.last_told_at, faster.reverts) == (16, 10)


def test_what_was_within_it_or_around_it_stays() -> None:
    assert pairs(told(3, 0.03), told(10, 0.4), told(14, BACK), told(20, -0.05)) == [(10, 14)]
    assert pairs(told(3, 0.4), told(10, 0.1), told(12, 1 / 1.1 - 1), told(14, BACK)) == [(3, 14), (10, 12)]
    assert pairs(told(3, 0.4), told(5, BACK), told(7, 0.4)) == [(3, 5)]
    assert pairs(told(3, 0.4), told(4, 0.0, "drift"), told(14, BACK)) == [(3, 14)]


def test_a_part_that_stays_is_no_return() -> None:
    assert pairs(told(10, 0.4), told(14, BACK * 0.8)) == []
    assert takes_back(shift(0.4, 0.01), shift(1.019 / 1.4 - 1, 0.01))
    assert not takes_back(shift(0.4, 0.01), shift(1.021 / 1.4 - 1, 0.01))


def test_what_is_not_confirmed_is_no_part_of_a_pair() -> None:
    assert pairs(told(3, 0.4), told(9, 0.005), told(11, -0.005), told(14, BACK)) == [(3, 14)]


def test_what_got_faster_and_slower_again_is_news_like_any_other() -> None:
    assert pairs(told(10, BACK), told(14, 0.4)) == []


@pytest.mark.parametrize("who", [0, 1])
def test_an_answer_to_a_step_answers_for_its_end_but_not_the_other_way(who: int) -> None:
    changes = [told(5, 0.4), told(8, BACK)]
    given = answer(series(), 5)
    changes[who] = structs.replace(changes[who], acknowledged=given)
    slower, faster = with_reverted(changes)
    assert faster.acknowledged == given
    assert slower.acknowledged == (given if who == 0 else None)
