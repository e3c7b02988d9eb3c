"""Intervals against scipy, and their coverage against simulated truth."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from bench.stats.estimates import (
    Interval,
    across_processes,
    centre,
    interval_is_narrow,
    mean,
    mean_interval,
    median,
    median_ranks,
    quantile,
    ratio_across_processes,
    ratio_within_process,
    within_process,
)

MEDIANS = (0.101, 0.099, 0.104, 0.097, 0.1)
positive = st.floats(min_value=1e-9, max_value=1e9)


@given(st.lists(positive, min_size=1, max_size=30))
def test_median_is_the_textbooks(samples: list[float]) -> None:
    assert median(samples) == statistics.median(samples)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_ranks_are_the_narrowest_that_the_binomial_allows(level: float) -> None:
    for n in (*range(1, 120), 662, 2000):
        misses = np.flatnonzero(2 * oracle.binom.cdf(np.arange(n // 2 + 1), n, 0.5) <= 1 - level)
        expected = (int(misses[-1]), n - 1 - int(misses[-1])) if misses.size else None
        assert median_ranks(n, level) == expected


def test_five_samples_have_no_95_percent_interval_and_six_have_their_range() -> None:
    assert within_process([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert within_process([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == Interval(1.0, 6.0, "within-process")


@pytest.mark.parametrize(("target", "narrow"), [(0.029, False), (0.031, True)])
def test_sampling_stops_by_the_farther_end_of_the_interval(target: float, narrow: bool) -> None:
    # seven samples: the interval is their range, 3% above the median and 1% below it
    assert interval_is_narrow([1.03, 1.0, 0.99, 1.0, 0.995, 1.01, 1.0], target) is narrow


def test_too_few_samples_are_never_narrow() -> None:
    assert not interval_is_narrow([1.0] * 5, 0.01)
    assert interval_is_narrow([1.0] * 6, 0.01)


@pytest.mark.parametrize(("probability", "enough"), [(0.9, 64), (0.99, 662)])
def test_quantiles_need_enough_samples_above_them(probability: float, enough: int) -> None:
    samples = np.random.default_rng(1).lognormal(size=enough)
    assert quantile(samples[:-1].tolist(), probability) is None
    assert quantile(samples.tolist(), probability) == pytest.approx(np.quantile(samples, probability))
    assert quantile([], probability) is None


def test_across_processes_is_the_t_interval_of_the_logs() -> None:
    logs = np.log(MEDIANS)
    low, high = np.exp(oracle.t.interval(0.95, len(logs) - 1, logs.mean(), oracle.sem(logs)))
    interval = across_processes(MEDIANS)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)
    assert interval.kind == "across-processes"
    assert centre(MEDIANS) == pytest.approx(oracle.gmean(MEDIANS), rel=1e-12)


def test_the_interval_of_a_mean_is_students() -> None:
    shares = (0.97, 0.98, 0.965, 0.99)
    low, high = oracle.t.interval(0.95, 3, np.mean(shares), oracle.sem(shares))
    interval = mean_interval(shares)
    assert interval is not None
    assert (mean(shares), interval.low, interval.high) == pytest.approx((np.mean(shares), low, high))
    assert interval.kind == "across-processes"
    assert mean_interval([0.97]) is None
    assert mean_interval([0.1] * 3) == Interval(0.1, 0.1, "across-processes", method="t")
    assert mean([0.1] * 3) == mean([0.1]) == 0.1


def test_equal_medians_stay_exact() -> None:
    assert centre([61_706.0] * 3) == 61_706.0
    assert across_processes([61_706.0] * 3) == Interval(61_706.0, 61_706.0, "across-processes", method="t")


def test_no_interval_across_processes_without_logs_or_with_one_process() -> None:
    assert across_processes([0.0, 1.0]) is None
    assert centre([0.0, 1.0, 5.0]) == 1.0
    assert across_processes([1.0]) is None


@given(st.lists(positive, min_size=2, max_size=12))
def test_the_figure_lies_in_its_interval_and_the_interval_is_finite(medians: list[float]) -> None:
    interval = across_processes(medians)
    assert interval is not None
    assert 0 < interval.low <= centre(medians) <= interval.high < math.inf


def test_ratio_across_processes_is_welchs() -> None:
    new, base = (0.051, 0.049, 0.0503), MEDIANS
    welch = oracle.ttest_ind(np.log(new), np.log(base), equal_var=False)
    expected = welch.confidence_interval(0.95)
    ratio = ratio_across_processes(new, base)
    assert ratio.interval is not None
    assert ratio.value == pytest.approx(oracle.gmean(new) / oracle.gmean(base))
    assert math.log(ratio.interval.low) == pytest.approx(expected.low)
    assert math.log(ratio.interval.high) == pytest.approx(expected.high)


def test_ratio_of_equal_medians_has_no_width() -> None:
    interval = ratio_across_processes([2.0, 2.0], [1.0, 1.0]).interval
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((2.0, 2.0), rel=1e-12)


def test_ratio_within_a_process_adds_the_widths_in_quadrature() -> None:
    three, four = math.exp(0.03), math.exp(0.04)
    ratio = ratio_within_process(
        2.0,
        Interval(2.0 / three, 2.0 * three, "within-process"),
        1.0,
        Interval(1.0 / four, four, "within-process"),
    )
    assert ratio.interval is not None
    assert ratio.interval.high == pytest.approx(2.0 * math.exp(0.05))
    assert ratio.interval.low == pytest.approx(2.0 * math.exp(-0.05))
    assert ratio.interval.kind == "within-process"
    assert ratio_within_process(2.0, None, 1.0, None).interval is None


def test_within_process_interval_covers_the_median_of_lognormal_samples() -> None:
    samples = np.sort(np.random.default_rng(2).lognormal(0.0, 0.3, (4000, 100)), axis=1)
    assert 0.93 <= _coverage([within_process(row) for row in samples.tolist()], truth=1.0) <= 0.97


def test_across_processes_interval_covers_where_pooled_samples_do_not() -> None:
    """Six processes that differ by 3%, with 40 samples of 5% noise in each."""
    random = np.random.default_rng(3)
    process = random.normal(0.0, 0.03, (4000, 6, 1))
    samples = np.exp(process + random.normal(0.0, 0.05, (4000, 6, 40)))
    across = [across_processes(medians) for medians in np.median(samples, axis=2).tolist()]
    pooled = [within_process(row) for row in np.sort(samples.reshape(4000, -1), axis=1).tolist()]
    assert 0.93 <= _coverage(across, truth=1.0) <= 0.97
    assert _coverage(pooled, truth=1.0) < 0.7


def _coverage(intervals: list[Interval | None], truth: float) -> float:
    return sum(i is not None and i.low <= truth <= i.high for i in intervals) / len(intervals)
