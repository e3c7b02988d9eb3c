"""Half of a step: who has it, the error of a whole chain, and what that costs in pairs."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

import pytest

from bench.stats.estimates import Shift, mean_shift
from bench.stats.half_step import CHAIN_ERROR, LOOKS, answer_of, can_be_halved, share_of, step_of
from bench.studies.bisect.commit_trials import ends_are_decided

WOBBLE = [0.002, -0.001, 0.001, -0.002] * 32


def around(mean: float, n: int = 8) -> list[float]:
    return [mean + each for each in WOBBLE[:n]]


def test_a_commit_is_bad_above_half_of_the_step_and_good_below() -> None:
    step = step_of(around(0.04))
    assert step is not None
    found = [answer_of(step, around(mean), 0.01) for mean in (-0.1, 0.0, 0.012, 0.02, 0.028, 0.04, 0.2)]
    assert found == ["good", "good", "good", None, "bad", "bad", "bad"]


def test_a_step_down_is_the_mirror_of_a_step_up() -> None:
    """What got faster is found as what got slower is."""
    step = step_of(around(-0.04))
    assert step is not None
    assert [answer_of(step, around(mean), 0.01) for mean in (0.0, -0.02, -0.04)] == ["good", None, "bad"]


def test_nobody_looks_between_the_looks_of_ab() -> None:
    step = step_of(around(0.04))
    assert step is not None
    looks = [n for n in range(129) if answer_of(step, around(0.04, n), 0.01) is not None]
    assert looks == [8, 16, 32, 64, 128]
    assert answer_of(step, around(0.04, 63), 0.01, last=True) == "bad"
    assert answer_of(step, around(0.04, 1), 0.01, last=True) is None


def test_the_error_of_the_step_counts_by_half() -> None:
    """Welch by hand: the commit's mean less half of the step, errors squared and added."""
    step, own = Shift(0.04, 0.006, 7.0), around(0.04)
    error = math.sqrt(mean_shift(own).error ** 2 + 0.003**2)
    assert math.isclose(mean_shift(own).mean, 0.04)
    t = 0.02 / error
    freedom = error**4 / (mean_shift(own).error ** 4 / 7 + 0.003**4 / 7)
    from scipy.stats import t as student

    p = 2 * student.sf(t, freedom)
    assert answer_of(step, own, 5 * p * 1.01) == "bad"
    assert answer_of(step, own, 5 * p * 0.99) is None


def test_a_step_can_be_halved_where_its_interval_reaches_half_of_it() -> None:
    from scipy.stats import t as student

    factor = student.ppf(1 - 0.0025 / 2, 7)
    assert can_be_halved(Shift(0.04, 0.0199 / factor, 7))
    assert not can_be_halved(Shift(0.04, 0.0201 / factor, 7))
    assert not can_be_halved(Shift(-0.04, 0.0201 / factor, 7))


@pytest.mark.parametrize("steps", [0, 1, 7, 30])
def test_the_shares_of_a_chain_are_equal_and_never_more_than_the_whole(steps: int) -> None:
    left, shares = CHAIN_ERROR, []
    for remaining in range(steps, -1, -1):
        shares.append(share_of(left, remaining))
        left -= shares[-1]
    assert shares == pytest.approx([CHAIN_ERROR / (steps + 1)] * (steps + 1))
    for _ in range(50):  # more answers than anybody expected
        left -= share_of(left, 1)
    assert left >= 0


class Found(NamedTuple):
    """The place that a chain names, or None where a commit could not be judged; and its pairs."""

    place: int | None
    pairs: int


def chain(place: int, commits: int, step: float, scatter: float, seed: int) -> Found | None:
    """A search through a line of commits of which those from `place` on have the step; None where the ends
    are of no use."""
    drawn = random.Random(seed)
    pairs = 0

    def measured(mean: float, is_decided: object) -> list[float]:
        nonlocal pairs
        ratios: list[float] = []
        for _ in range(LOOKS[-1]):
            ratios.append(drawn.gauss(mean, scatter))
            pairs += 1
            if is_decided(ratios):  # type: ignore[operator]
                break
        return ratios

    whole = step_of(measured(step, lambda ratios: ends_are_decided(ratios, 0.0)))
    assert whole is not None
    if whole.mean < 0 or not can_be_halved(whole):
        return None
    good, bad, left = -1, commits - 1, CHAIN_ERROR
    while bad - good > 1:
        middle = (good + bad) // 2
        error = share_of(left, math.ceil(math.log2(bad - good)))
        left -= error
        mean = step if middle >= place else 0.0
        ratios = measured(mean, lambda ratios, error=error: answer_of(whole, ratios, error) is not None)
        answer = answer_of(whole, ratios, error, last=True)
        if answer is None:
            return Found(None, pairs)
        good, bad = (good, middle) if answer == "bad" else (middle, bad)
    return Found(bad, pairs)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "most_pairs"), [(0.04, 560), (0.06, 230), (0.1, 130)])
def test_a_chain_names_a_wrong_commit_in_at_most_one_of_twenty_searches(step: float, most_pairs: int) -> None:
    """100 commits, log ratios of pairs that scatter by 3%. In truth it is far less, as no commit lies between
    the two ends."""
    drawn = random.Random(19)
    places = [drawn.randrange(100) for _ in range(400)]
    found = [chain(place, 100, step, 0.03, seed) for seed, place in enumerate(places)]
    named = [
        (each.place, place)
        for each, place in zip(found, places, strict=True)
        if each and each.place is not None
    ]
    wrong = sum(one != other for one, other in named)
    assert wrong <= 0.05 * len(found)
    assert len(named) >= 0.97 * len(found)
    assert sum(each.pairs for each in found if each) / len(found) < most_pairs


@pytest.mark.slow
def test_a_commit_with_just_half_of_the_step_is_called_either_within_its_error() -> None:
    """The worst place that a commit can have; the step itself is drawn too."""
    drawn, error, searches = random.Random(7), 0.2, 1500
    called = 0
    for _ in range(searches):
        step = step_of([drawn.gauss(0.1, 0.03) for _ in range(16)])
        ratios = [drawn.gauss(0.05, 0.03) for _ in range(LOOKS[-1])]
        assert step is not None
        answers = [answer_of(step, ratios[:looked], error) for looked in LOOKS]
        called += any(answers)
    assert 0.3 * error < called / searches < error
