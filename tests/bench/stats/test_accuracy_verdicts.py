"""Verdicts on accuracies against scipy's tests, and what chance makes of accuracies that are counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats as oracle

from bench.stats import accuracy_verdicts
from bench.stats.accuracy_verdicts import Difference

BASE = (0.971, 0.968, 0.975, 0.970, 0.973)
NEW = (0.952, 0.950, 0.949, 0.955, 0.948)


def seeds(accuracies: Sequence[float], first: int = 0) -> dict[int, float]:
    return dict(enumerate(accuracies, start=first))


def difference(
    base: Mapping[int, float],
    new: Mapping[int, float],
    diverged: tuple[int, int] = (0, 0),
    names: tuple[str, str] = ("BASE", "NEW"),
    margin: float = 0.01,
) -> Difference:
    """Of ten classes."""
    return accuracy_verdicts.difference(base, new, classes=10, diverged=diverged, names=names, margin=margin)


def test_equal_seeds_are_paired() -> None:
    test = oracle.ttest_rel(NEW, BASE)
    expected = test.confidence_interval(0.99)
    found = difference(seeds(BASE), seeds(NEW))
    assert found.difference == pytest.approx(np.mean(NEW) - np.mean(BASE))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.p == pytest.approx(test.pvalue)
    assert (found.paired, found.n_base, found.n_new, found.verdict) == (True, 5, 5, "lower")


def test_pairs_go_by_seed_and_not_by_place() -> None:
    backwards = dict(reversed(seeds(NEW).items()))
    assert difference(seeds(BASE), backwards) == difference(seeds(BASE), seeds(NEW))


def test_other_seeds_are_welchs() -> None:
    test = oracle.ttest_ind(NEW[:3], BASE, equal_var=False)
    expected = test.confidence_interval(0.99)
    found = difference(seeds(BASE), seeds(NEW[:3], first=10))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.p == pytest.approx(test.pvalue)
    assert (found.paired, found.n_base, found.n_new, found.verdict) == (False, 5, 3, "lower")


def test_pairs_see_what_seeds_hide() -> None:
    """Seeds differ by 4 points, each of them learns 2 points more: only in pairs that is sure."""
    base = (0.90, 0.92, 0.94, 0.91)
    new = [a + gain for a, gain in zip(base, (0.020, 0.021, 0.019, 0.020), strict=True)]
    assert difference(seeds(base), seeds(new)).verdict == "higher"
    assert difference(seeds(base), seeds(new, first=10)).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("shift", "margin", "word"),
    [
        (0.0, 0.01, "equivalent"),
        (0.02, 0.01, "higher"),
        (-0.02, 0.01, "lower"),
        # a difference that is real but inside the margin does not matter: this is looked at first
        (0.02, 0.03, "equivalent"),
        (0.0095, 0.01, "inconclusive"),
    ],
)
def test_the_words(shift: float, margin: float, word: str) -> None:
    """Standard error 0.25 points: the 90% interval is ±0.52, the 99% one ±1.13."""
    wobble = (0.007, -0.007, 0.003, -0.003, 0.0)
    new = [a + shift + w for a, w in zip(BASE, wobble, strict=True)]
    assert difference(seeds(BASE), seeds(new), margin=margin).verdict == word


def test_the_detectable_difference_has_its_power() -> None:
    """By the power of the t test, as scipy's noncentral t has it."""
    found = difference(seeds(BASE), seeds(NEW))
    assert found.detectable is not None
    error = oracle.sem(np.subtract(NEW, BASE))
    power = oracle.nct.sf(oracle.t.ppf(0.995, 4), 4, found.detectable / error)
    assert power == pytest.approx(0.99, abs=1e-6)


def test_one_seed_is_inconclusive_and_says_why() -> None:
    found = difference({0: 0.98}, {0: 0.10})
    assert (found.verdict, found.low, found.p, found.reason) == (
        "inconclusive",
        None,
        None,
        accuracy_verdicts.ONE_SEED,
    )
    assert found.difference == pytest.approx(-0.88)


def test_a_seed_that_diverged_is_the_verdict() -> None:
    found = difference(seeds(BASE), {0: 0.99}, diverged=(0, 2))
    assert (found.verdict, found.difference, found.p) == ("diverged", None, None)
    assert found.reason == "NEW: 2 of 3 seeds diverged"
    assert (found.n_base, found.n_new, found.diverged_base, found.diverged_new) == (5, 1, 0, 2)
    both = difference({}, {}, diverged=(3, 1), names=("fp32", "amp-fp16"))
    assert both.reason == "fp32: 3 of 3 seeds diverged; amp-fp16: 1 of 1 seeds diverged"


def test_accuracies_that_are_all_equal_are_equivalent_without_a_claim_of_power() -> None:
    found = difference(seeds([1.0] * 3), seeds([1.0] * 3))
    assert (found.verdict, found.low, found.high) == ("equivalent", 0.0, 0.0)
    assert (found.detectable, found.p) == (None, None)


def test_two_networks_that_learned_nothing_are_not_called_equivalent() -> None:
    """Ten classes: 10% by guessing, up to 15% where they are not all as frequent."""
    found = difference(seeds([0.10, 0.11, 0.10]), seeds([0.10, 0.10, 0.11]))
    assert (found.verdict, found.reason) == ("inconclusive", accuracy_verdicts.NOTHING_LEARNED)
    assert difference(seeds([0.1] * 3), seeds([0.1] * 3)).verdict == "inconclusive"
    assert difference(seeds([0.10, 0.11, 0.10]), seeds([0.90, 0.91, 0.90])).verdict == "higher"
    hundred = accuracy_verdicts.difference(seeds([0.1] * 3), seeds([0.1] * 3), classes=100)
    assert hundred.verdict == "equivalent"
    gaps = accuracy_verdicts.difference(seeds([0.02] * 3), seeds([0.02] * 3))
    assert gaps.verdict == "equivalent"


@pytest.mark.parametrize(("count", "word"), [(2, "inconclusive"), (3, "inconclusive"), (5, "higher")])
def test_few_seeds_that_agree_to_the_image_are_not_taken_at_their_word(count: int, word: str) -> None:
    """All of them two of 100 images more: a t test of values without scatter would be infinitely sure.

    The step is 2 points, its standard deviation 2 / sqrt(12) for each value.
    """
    found = difference(seeds([0.95] * count), seeds([0.97] * count))
    half = oracle.t.ppf(0.995, count - 1) * 0.02 / np.sqrt(12) * np.sqrt(2 / count)
    assert (found.low, found.high) == pytest.approx((0.02 - half, 0.02 + half))
    assert found.verdict == word


def _words(images: int, accuracy: float, gap: float, count: int) -> Counter[str]:
    """400 comparisons of sides whose seeds scatter, judged by a test set of so many images."""
    random = np.random.default_rng(images + count)
    truth = np.clip(accuracy + random.normal(0, (1 - accuracy) / 4, (400, 2, count)), 0, 1)
    truth[:, 1] = np.clip(truth[:, 1] - gap, 0, 1)
    seen = random.binomial(images, truth) / images
    return Counter(difference(seeds(a), seeds(b)).verdict for a, b in seen.tolist())


@pytest.mark.parametrize("images", [360, 10_000])
@pytest.mark.parametrize("accuracy", [0.9, 0.98, 0.998])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_what_is_equal_is_hardly_ever_told_apart(images: int, accuracy: float, count: int) -> None:
    """Promised is 1%, that is 4 of 400; 12 of them are the limit, as for times."""
    words = _words(images, accuracy, 0.0, count)
    assert words["higher"] + words["lower"] <= 12


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_difference_of_a_point_is_hardly_ever_called_equivalent(count: int) -> None:
    """Promised is 5%, that is 20 of 400."""
    assert _words(10_000, 0.98, 0.01, count)["equivalent"] <= 32


def test_two_points_are_found_with_five_seeds() -> None:
    assert _words(10_000, 0.98, 0.02, 5)["lower"] >= 320
