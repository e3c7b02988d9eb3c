"""Verdicts against scipy's tests and against worked numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from bench.stats import diagnostics, verdicts
from bench.stats.sample_size import recommended_replicates
from bench.stats.verdicts import INTERIM_PAIRS, holm, interim_verdict, paired, unpaired
from models.errors import UserError

BASE = (0.100, 0.101, 0.099, 0.1005, 0.0995)
medians = st.lists(st.floats(min_value=1e-9, max_value=1e9), min_size=2, max_size=8)


def slower(factor: float) -> list[float]:
    return [value * factor for value in BASE]


def test_unpaired_is_welchs_on_logs() -> None:
    new = (0.104, 0.103, 0.1055)
    welch = oracle.ttest_ind(np.log(new), np.log(BASE), equal_var=False)
    expected = welch.confidence_interval(0.99)
    verdict = unpaired(BASE, new)
    assert verdict.ratio == pytest.approx(oracle.gmean(new) / oracle.gmean(BASE))
    assert verdict.low is not None
    assert verdict.high is not None
    assert (math.log(verdict.low), math.log(verdict.high)) == pytest.approx((expected.low, expected.high))
    assert verdict.p == pytest.approx(welch.pvalue)
    assert (verdict.n_base, verdict.n_new, verdict.level) == (5, 3, 0.99)


def test_paired_is_the_one_sample_t_of_the_log_ratios() -> None:
    ratios = (0.021, 0.034, 0.028, 0.03)
    test = oracle.ttest_1samp(ratios, 0.0)
    expected = test.confidence_interval(0.99)
    verdict = paired(ratios)
    assert verdict.low is not None
    assert verdict.high is not None
    assert (math.log(verdict.low), math.log(verdict.high)) == pytest.approx((expected.low, expected.high))
    assert verdict.p == pytest.approx(test.pvalue)
    assert verdict.verdict == "slower"


@pytest.mark.parametrize(
    ("factor", "margin", "word"),
    [
        (1.0, 0.02, "equivalent"),
        (1.05, 0.02, "slower"),
        (1 / 1.05, 0.02, "faster"),
        # standard error 0.5%: at 1% neither is the 90% interval within 1% nor does the 99% one exclude 1
        (1.01, 0.01, "inconclusive"),
        # ... and at 3% both hold, where the margin is 5%
        (1.03, 0.05, "equivalent"),
        (1.03, 0.02, "slower"),
    ],
)
def test_the_words(factor: float, margin: float, word: str) -> None:
    assert unpaired(BASE, slower(factor), margin).verdict == word


@given(medians, medians)
def test_swapping_the_sides_inverts_the_ratio(base: list[float], new: list[float]) -> None:
    there, back = unpaired(base, new), unpaired(new, base)
    assert there.ratio is not None
    assert back.ratio is not None
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.detectable is not None
    assert 0 <= there.detectable < math.inf
    if there.verdict in ("faster", "slower"):
        assert {there.verdict, back.verdict} == {"faster", "slower"} or back.verdict == "equivalent"


def test_sizes_that_do_not_vary_need_no_test() -> None:
    same, larger = unpaired([4096.0] * 2, [4096.0] * 3), unpaired([4096.0] * 2, [8192.0] * 2)
    assert (same.verdict, same.low, same.high, same.detectable, same.p) == ("equivalent", 1, 1, 0, None)
    assert (larger.verdict, larger.p) == ("slower", None)
    assert larger.ratio == pytest.approx(2)


def test_one_process_on_a_side_is_inconclusive_and_says_why() -> None:
    verdict = unpaired([0.1], [0.3, 0.3])
    assert (verdict.verdict, verdict.low, verdict.detectable) == ("inconclusive", None, None)
    assert verdict.ratio == pytest.approx(3)
    assert verdict.reason == verdicts.ONE_PROCESS


def test_zero_has_no_ratio() -> None:
    verdict = unpaired([0.0, 0.0], [1.0, 1.0])
    assert (verdict.verdict, verdict.ratio, verdict.reason) == ("inconclusive", None, verdicts.NO_RATIO)


def test_the_detectable_effect_has_its_power() -> None:
    """By the power of the t test, as scipy's noncentral t has it."""
    detectable = unpaired(BASE, slower(1.0)).detectable
    assert detectable is not None
    error = math.sqrt(2 * np.var(np.log(BASE), ddof=1) / 5)
    power = oracle.nct.sf(oracle.t.ppf(0.995, 8), 8, math.log1p(detectable) / error)
    assert power == pytest.approx(0.99, abs=1e-6)


def test_looks_happen_at_their_numbers_only() -> None:
    ratios = [0.001 * (-1) ** n for n in range(64)]
    assert [n for n in range(65) if interim_verdict(ratios[:n]) is not None] == list(INTERIM_PAIRS)


def test_a_look_has_a_quarter_of_the_errors() -> None:
    ratios = [0.02, 0.05, 0.03, 0.04, 0.01, 0.06, 0.03, 0.04]
    verdict = interim_verdict(ratios)
    assert verdict is not None
    assert verdict.low is not None
    expected = oracle.ttest_1samp(ratios, 0.0).confidence_interval(0.9975)
    assert math.log(verdict.low) == pytest.approx(expected.low)
    # within this margin lies the 90% interval, but not that of a quarter of 5% on either side
    narrow = [0.01 * (-1) ** n for n in range(8)]
    bound = oracle.ttest_1samp(narrow, 0.0).confidence_interval
    margin = float((bound(0.90).high + bound(0.975).high) / 2)
    assert paired(narrow, margin).verdict == "equivalent"
    at_look = interim_verdict(narrow, margin)
    assert at_look is not None
    assert at_look.verdict == "inconclusive"


def test_the_last_look_is_taken_when_the_budget_is_spent() -> None:
    ratios = [0.05 + 0.001 * (-1) ** n for n in range(11)]
    assert interim_verdict(ratios) is None
    last = interim_verdict(ratios, last=True)
    assert last is not None
    assert (last.verdict, last.n_base, last.level) == ("slower", 11, 0.9975)
    for few in ([], [0.1]):
        verdict = interim_verdict(few, last=True)
        assert verdict is not None
        assert (verdict.verdict, verdict.n_new) == ("inconclusive", len(few))


def test_holm_by_hand() -> None:
    # 0.01 / 4 = 0.0025, 0.01 / 3 = 0.0033, 0.01 / 2 = 0.005: the third fails and takes the fourth with it
    assert holm([0.003, 0.009, 0.002, 0.006]) == (True, False, True, False)
    assert holm([0.0099]) == (True,)
    assert holm([]) == ()


def test_recommended_replicates_are_the_fewest_with_the_power() -> None:
    pilot = np.exp(np.random.default_rng(1).normal(0.0, 0.01, 10)).tolist()
    n = recommended_replicates(pilot, effect=0.03)
    scatter = np.std(np.log(pilot), ddof=1) * math.sqrt(9 / oracle.chi2.ppf(0.1, 9))

    def power(count: int) -> float:
        freedom = 2 * count - 2
        shift = math.log(1.03) / (scatter * math.sqrt(2 / count))
        return float(oracle.nct.sf(oracle.t.ppf(0.995, freedom), freedom, shift))

    assert power(n - 1) < 0.999 <= power(n)


def test_recommended_replicates_at_the_ends() -> None:
    assert recommended_replicates([0.1, 0.1, 0.1]) == 2
    assert recommended_replicates([0.1, 0.2, 0.4, 0.1], effect=0.001) > 100_000
    with pytest.raises(UserError, match="two processes"):
        recommended_replicates([0.1])
    with pytest.raises(UserError, match="above 0"):
        recommended_replicates([0.1, 0.2], effect=0.0)


def test_correlation_of_sides_by_hand() -> None:
    """Four blocks of ten: 3 crossings of the median where 20 are expected."""
    blocks = [float(block % 2) + 0.001 * n for block in range(4) for n in range(10)]
    assert diagnostics.autocorrelation(blocks) == pytest.approx(1 - 3 / 20)
    assert diagnostics.autocorrelation(blocks[:19]) is None
    assert diagnostics.autocorrelation([1.0] * 40) is None
    assert diagnostics.autocorrelation([0.0, 1.0] * 20) is None
    assert diagnostics.effective_samples(40, 0.6) == pytest.approx(10)


def test_modes_by_hand() -> None:
    """Thirty steps around 1, ten around 1.5; the outer two on either side are left aside."""
    ordered = [1 + 0.001 * n for n in range(-15, 15)] + [1.5 + 0.001 * n for n in range(-5, 5)]
    modes = diagnostics.two_modes(ordered)
    assert modes is not None
    assert modes.share == pytest.approx(8 / 36)
    assert modes.ratio == pytest.approx(1.5, rel=0.01)
    assert diagnostics.two_modes(ordered[:30]) is None
    # ticks of a clock, half a percent apart
    assert diagnostics.two_modes([1.0] * 20 + [1.005] * 20) is None
