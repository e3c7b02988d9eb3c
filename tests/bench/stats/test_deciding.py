"""How many more processes decide: against the power of the t test, and against verdicts themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as oracle

from bench.stats import verdicts
from bench.stats.deciding import Side, deciding, paired_after, target_of, unpaired_after

LEVEL = 0.99


def power(effect: float, error: float, freedom: float) -> float:
    """Of a two-sided t test at 1%, that it finds the effect on its own side."""
    return float(oracle.nct.sf(oracle.t.ppf(0.995, freedom), freedom, effect / error))


def welch(variances: tuple[float, float], sizes: tuple[int, int]) -> tuple[float, float]:
    """Standard error and degrees of freedom, as the textbooks have them."""
    a, b = (variance / n for variance, n in zip(variances, sizes, strict=True))
    return math.sqrt(a + b), (a + b) ** 2 / (a**2 / (sizes[0] - 1) + b**2 / (sizes[1] - 1))


@pytest.mark.parametrize(("sizes", "variances"), [((3, 3), (1e-4, 1e-4)), ((2, 8), (4e-4, 1e-4))])
@pytest.mark.parametrize("mean", [0.0, 0.06, -0.06])
def test_they_are_the_fewest_with_the_power(
    sizes: tuple[int, int], variances: tuple[float, float], mean: float
) -> None:
    sides = [Side(variance, n, n - 1) for variance, n in zip(variances, sizes, strict=True)]
    found = deciding(unpaired_after(sides[0], sides[1], 0.0), mean, 0.02, LEVEL)
    assert found.more is not None
    assert math.log1p(found.target) == pytest.approx(max(abs(mean), math.log(1.02)))
    after = [
        power(math.log1p(found.target), *welch(variances, (sizes[0] + more, sizes[1] + more)))
        for more in (found.more - 1, found.more)
    ]
    assert after[0] < 0.99 <= after[1]


def test_what_both_sides_borrow_counts_once() -> None:
    """By Satterthwaite 2 borrowed degrees of freedom on each side make 8; borrowed once they make 6."""
    side = Side(1e-4, 3, 2)
    shift = unpaired_after(side, side, 2.0)(0)
    assert (shift.error, shift.freedom) == pytest.approx((math.sqrt(2e-4 / 3), 6.0))
    assert unpaired_after(side, side, 2.0)(4).freedom == pytest.approx(14.0)
    # a side that alone makes the error has no more than its own and what it borrows
    assert unpaired_after(Side(1e-12, 9, 8), side, 2.0)(0).freedom == pytest.approx(4.0, rel=1e-3)


def test_pairs_come_together() -> None:
    """Sixteen pairs whose log ratios scatter by 2%."""
    found = deciding(paired_after(0.02 / 4, 16), 0.001, 0.02, LEVEL)
    assert found.more is not None
    after = [power(math.log(1.02), 0.02 / math.sqrt(n), n - 1) for n in (15 + found.more, 16 + found.more)]
    assert after[0] < 0.99 <= after[1]


def test_more_than_can_be_told() -> None:
    noisy = Side(0.2**2, 2, 1)
    assert deciding(unpaired_after(noisy, noisy, 0.0), 0.0, 0.02, LEVEL).more is None
    after = unpaired_after(Side(1e-4, 4, 3), Side(1e-4, 4, 3), 0.0)
    assert deciding(after, 0.0, 0.0, LEVEL).more is None, "no margin and no difference: nothing decides that"


@pytest.mark.parametrize("n", [3, 8, 40])
@pytest.mark.parametrize(("widths", "all_decided"), [(1.0, True), (1.5, False)])
def test_where_the_margin_is_detectable_every_ratio_is_decided(
    n: int, widths: float, all_decided: bool
) -> None:
    """Sides that scatter so much that exactly the margin (or half as much again) is detectable."""
    margin = 0.02
    z = np.linspace(-1.0, 1.0, n)
    z *= math.sqrt((n - 1) / (z**2).sum())
    freedom = 2 * n - 2
    needed = next(effect for effect in np.arange(3.0, 40.0, 0.005) if power(effect, 1.0, freedom) >= 0.99)
    sd = widths * math.log1p(margin) / needed / math.sqrt(2 / n)
    base = np.exp(sd * z)
    words = {
        verdicts.unpaired(base.tolist(), (base * ratio).tolist(), margin).verdict
        for ratio in np.linspace(1.0, 1.1, 400)
    }
    assert ("inconclusive" not in words) == all_decided
    assert {"equivalent", "slower"} <= words


def test_the_target_is_what_was_seen_or_the_margin() -> None:
    assert target_of(math.log(1.1), 0.02) == pytest.approx(0.1)
    assert target_of(-math.log(1.1), 0.02) == pytest.approx(0.1)
    assert target_of(0.01, 0.02) == pytest.approx(0.02)
