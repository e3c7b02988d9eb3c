"""Moderated intervals against the formulas written out anew, scipy's optimiser and worked cases."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray
from scipy import optimize, special
from scipy import stats as oracle

from bench.stats.estimates import Interval, Moderated, across_processes
from bench.stats.moderation import (
    Prior,
    ProcessScatter,
    Scatter,
    case_scatter,
    fit,
    is_restless,
    moderate,
    moderate_all,
    moderated_interval,
    more_processes,
    process_scatter,
)
from bench.stats.published_prior import PUBLISHED
from bench.stats.sample_size import recommended_replicates
from bench.stats.verdicts import unpaired
from tests.planted.commands import ROOT

EXPECTED_SD = 0.02
"""Of the published prior, where samples within a process scatter by 2% too."""
FREEDOMS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def planted(seed: int, cases: int, processes: Sequence[int] = (2, 3, 5)) -> list[Scatter]:
    """Cases whose processes scatter by 0.3 to 6%, the more the more their samples do."""
    random = np.random.default_rng(seed)
    found = []
    for case in range(cases):
        n = processes[case % len(processes)]
        within = float(np.exp(random.normal(math.log(0.03), 0.8)))
        logs = random.normal(0.0, within * np.exp(random.normal(-0.5, 0.7)), n)
        floor = math.pi / 2 * within**2 / 40
        found.append(Scatter(n, statistics.variance(logs.tolist()), within**2, floor))
    return found


def known_prior(level: float, freedom: float, cases: int = 12) -> Prior:
    """One that is sure of its level."""
    return Prior(level, 0.0, freedom, 0.0, 0.0, 0.0, cases)


def of_formula(scatters: Sequence[Scatter]) -> tuple[float, float, float]:
    """Level, slope and freedom at the mode: the density of F from scipy, and scipy's optimiser."""
    s2 = np.array([scatter.variance for scatter in scatters])
    f = np.array([scatter.processes - 1 for scatter in scatters])
    x = np.log([scatter.within for scatter in scatters]) - math.log(0.02**2)

    def loss(line: NDArray[np.float64], d0: float) -> float:
        s0 = np.exp(line[0] + line[1] * x)
        likelihood = (oracle.f.logpdf(s2 / s0, f, d0) - np.log(s0)).sum()
        return float(
            (line[0] - math.log(0.02**2)) ** 2 / 2
            + ((line[1] - 0.6) / 0.3) ** 2 / 2
            + (math.log(d0 / 2) / 0.4) ** 2 / 2
            - likelihood
        )

    found = []
    for d0 in FREEDOMS:
        best = optimize.minimize(
            loss, np.array([-8.0, 0.5]), args=(d0,), method="BFGS", options={"gtol": 1e-6}
        )
        found.append((float(best.fun), float(best.x[0]), float(best.x[1]), d0))
    return min(found)[1:]


@pytest.mark.parametrize(("seed", "cases"), [(1, 1), (2, 2), (3, 4), (4, 12), (5, 40)])
def test_the_fit_is_the_mode_of_the_formula(seed: int, cases: int) -> None:
    scatters = planted(seed, cases)
    prior = fit(scatters)
    level, slope, freedom = of_formula(scatters)
    assert (prior.level, prior.slope) == pytest.approx((level, slope), abs=1e-5)
    assert prior.freedom == freedom
    assert prior.cases == cases


def test_cases_that_all_scatter_alike_are_fitted_too() -> None:
    """Where every share is a half, Fisher's steps swing about the mode and Newton's do not."""
    scatters = [Scatter(2, 1e-4, 1e-4 * (1 + case / 50), 1e-7) for case in range(50)]
    prior = fit(scatters)
    assert (prior.level, prior.slope, prior.freedom) == pytest.approx(of_formula(scatters), abs=1e-5)


@pytest.mark.parametrize("cases", [0, 1, 4, 12])
def test_what_the_prior_is_worth_pays_for_what_is_not_known_of_it(cases: int) -> None:
    scatters = planted(6, cases)
    prior = fit(scatters)
    x = np.log([scatter.within for scatter in scatters]) - math.log(0.02**2)
    f = np.array([scatter.processes - 1 for scatter in scatters])
    design = np.stack([np.ones_like(x), x], axis=1).reshape(-1, 2)
    weight = prior.freedom * f / (2 * (prior.freedom + f + 2))
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design) + np.diag([1.0, 0.3**-2]))
    for within in (1e-6, 4e-4, 0.04):
        at = np.array([1.0, math.log(within / 0.02**2)])
        unsure = at @ inverse @ at
        variance, freedom = prior.expected(within)
        assert variance == pytest.approx(math.exp(at @ (prior.level, prior.slope) + unsure / 2))
        left = special.polygamma(1, freedom / 2)
        assert left == pytest.approx(special.polygamma(1, prior.freedom / 2) + unsure)
    assert prior.cases == cases


def test_a_known_prior_gives_limmas_squeezed_variance() -> None:
    """squeezeVar at fixed prior: Smyth 2004, equation 3."""
    prior = known_prior(math.log(3e-4), 2.5)
    scatters = planted(7, 9)
    squeezed = [(2.5 * 3e-4 + (s.processes - 1) * s.variance) / (2.5 + s.processes - 1) for s in scatters]
    found = moderate_all(scatters, prior)
    assert [each.variance for each in found] == pytest.approx(squeezed)
    assert [each.freedom for each in found] == pytest.approx([1.5 + s.processes for s in scatters])
    assert found == [moderate(scatter, prior) for scatter in scatters]


def test_the_interval_can_be_recomputed_from_its_parts() -> None:
    medians = [0.100, 0.104, 0.098]
    scatter = Scatter(3, statistics.variance(map(math.log, medians)), 9e-4, 1e-6)
    interval = moderated_interval(medians, moderate(scatter, fit(planted(8, 6))), level=0.9)
    assert interval is not None
    parts = msgspec.convert(msgspec.to_builtins(interval), Interval).parts
    assert parts is not None
    assert parts.own_sd is not None
    assert parts.cases == 6
    assert parts.own_sd**2 == pytest.approx(scatter.variance)
    variance = (parts.prior_freedom * parts.prior_sd**2 + 2 * parts.own_sd**2) / (parts.prior_freedom + 2)
    half = oracle.t.ppf(0.95, parts.prior_freedom + 2) * math.sqrt(variance / 3)
    centre = oracle.gmean(medians)
    assert (interval.low, interval.high) == pytest.approx((centre * math.exp(-half), centre * math.exp(half)))
    assert (interval.kind, interval.method, interval.level) == ("across-processes", "moderated", 0.9)


def test_a_prior_worth_nothing_gives_the_plain_interval_and_welch() -> None:
    prior = known_prior(-9.0, 1e-9)
    sides = [0.100, 0.103, 0.099], [0.104, 0.105, 0.108, 0.101]
    of = [
        moderate(Scatter(len(side), statistics.variance(map(math.log, side)), 1e-4, 0.0), prior)
        for side in sides
    ]
    moderated, plain = moderated_interval(sides[0], of[0]), across_processes(sides[0])
    assert moderated is not None
    assert plain is not None
    assert (moderated.low, moderated.high) == pytest.approx((plain.low, plain.high))
    assert plain.method == "t"
    found, welch = unpaired(*sides, moderated=(of[0], of[1])), unpaired(*sides)
    for name in ("ratio", "low", "high", "p", "detectable"):
        assert getattr(found, name) == pytest.approx(getattr(welch, name))


def variances_of(base: Sequence[float], new: Sequence[float], prior: Prior) -> tuple[Moderated, Moderated]:
    of = [
        moderate(Scatter(len(side), statistics.variance(map(math.log, side)), 1e-4, 0.0), prior)
        for side in (base, new)
    ]
    return of[0], of[1]


def test_a_verdicts_error_and_freedom() -> None:
    """Both sides borrow one prior, so what it is worth counts once."""
    base, new = [0.100, 0.101], [0.103, 0.106, 0.1035, 0.1045]
    a, b = variances_of(base, new, known_prior(math.log(1e-5), 3.0))
    found = unpaired(base, new, moderated=(a, b))
    e_a, e_b = a.variance / 2, b.variance / 4
    freedom = min((e_a + e_b) ** 2 / (e_a**2 / (3 + 1) + e_b**2 / (3 + 3)), 3 + 1 + 3)
    shift = math.log(oracle.gmean(new) / oracle.gmean(base))
    half = oracle.t.ppf(0.995, freedom) * math.sqrt(e_a + e_b)
    assert (found.low, found.high) == pytest.approx((math.exp(shift - half), math.exp(shift + half)))
    assert found.p == pytest.approx(2 * oracle.t.sf(shift / math.sqrt(e_a + e_b), freedom))
    assert found.detectable is not None
    effect = math.log1p(found.detectable) / math.sqrt(e_a + e_b)
    power = oracle.nct.sf(oracle.t.ppf(0.995, freedom), freedom, effect)
    assert power == pytest.approx(0.99, abs=1e-4)
    assert found.verdict == "slower"
    assert unpaired(base, new).verdict == "inconclusive"


def test_equal_sides_count_the_prior_once() -> None:
    base, new = [1.00, 1.02], [1.01, 1.03]
    of = variances_of(base, new, known_prior(math.log(0.03**2), 6.0))
    found = unpaired(base, new, moderated=of)
    half = oracle.t.ppf(0.995, 6 + 1 + 1) * math.sqrt(of[0].variance / 2 + of[1].variance / 2)
    assert found.high == pytest.approx(found.ratio * math.exp(half))  # type: ignore[operator]


def test_of_two_worths_the_smaller_counts() -> None:
    """The scatter within differs between the sides, and with it what the prior is worth."""
    base, new = [1.00, 1.02, 1.03], [1.01, 1.03, 1.05]
    (a, _), (_, b) = (variances_of(base, new, known_prior(-8.0, freedom)) for freedom in (2.0, 5.0))
    e_a, e_b = a.variance / 3, b.variance / 3
    freedom = min((e_a + e_b) ** 2 / (e_a**2 / (2 + 2) + e_b**2 / (2 + 2)), 2 + 2 + 2)
    found = unpaired(base, new, moderated=(a, b))
    half = oracle.t.ppf(0.995, freedom) * math.sqrt(e_a + e_b)
    assert found.high == pytest.approx(found.ratio * math.exp(half))  # type: ignore[operator]


def test_one_process_on_a_side_gets_no_verdict() -> None:
    prior = known_prior(-9.0, 3.0)
    one, two = moderate(Scatter(1, 0.0, 1e-4, 0.0), prior), moderate(Scatter(2, 1e-4, 1e-4, 0.0), prior)
    found = unpaired([1.0], [1.2, 1.21], moderated=(one, two))
    assert (found.verdict, found.low, found.p) == ("inconclusive", None, None)


def values(found: ProcessScatter | Scatter | None) -> tuple[float, ...]:
    """As a plain tuple."""
    assert found is not None
    return structs.astuple(found)


def test_the_scatter_of_a_process() -> None:
    samples = [0.031, 0.029, 0.030, 0.036]
    found = process_scatter(samples)
    within = float(np.var(np.log(samples), ddof=1))
    assert values(found) == pytest.approx((math.log(0.0305), within, math.pi / 2 * within / 4))


def test_the_scatter_of_a_case() -> None:
    processes = [
        ProcessScatter(0.0, 1e-4, 1e-5),
        ProcessScatter(0.02, 3e-4, 2e-5),
        ProcessScatter(0.04, 2e-4, 3e-5),
    ]
    assert values(case_scatter(processes)) == pytest.approx((3, 4e-4, 2e-4, 2e-5))


@pytest.mark.parametrize("target", [0.01, 0.03, 0.05, 0.2])
@pytest.mark.parametrize("sd", [0.0, 0.01, 0.03])
def test_how_many_more_processes(sd: float, target: float) -> None:
    """The smallest number of which a t interval of the same variance is narrow enough."""
    moderated = moderate(Scatter(3, sd**2, 4e-4, 1e-6), known_prior(math.log(0.01**2), 2.0))
    enough = [
        more
        for more in range(51)
        if oracle.t.ppf(0.975, 4 + more) * math.sqrt(moderated.variance / (3 + more)) <= math.log1p(target)
    ]
    assert more_processes(moderated, 3, target) == (enough[0] if enough else None)


def test_nothing_is_imported_before_an_interval_is_made() -> None:
    """The parent of a run imports this and must not pay for numpy and scipy."""
    code = (
        "import sys, bench.stats.verdicts, bench.stats.moderation as m\n"
        "m.case_scatter([m.process_scatter([1.0, 1.1])] * 2)\n"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'scipy', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def columns(title: str, first: str) -> list[list[str]]:
    """The rows of a table of docs/statistics.md: in the section of this title, with this head."""
    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    section = text.split(f"## {title}", 1)[1].split("\n## ", 1)[0]
    table = section[section.index(first) :].split("\n\n", 1)[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


def test_the_table_of_replicates_is_what_verdicts_detect() -> None:
    """Sides of this scatter whose neighbours scatter so too; the prior is worth 2.5 degrees of freedom."""
    rows = columns("How many replicates", "| replicates on each side")
    assert [row[0] for row in rows] == ["2", "3", "5", "10", "20", "40"]
    for n, *cells in rows:
        for cell, sd in zip(cells, (0.005, 0.01, 0.02, 0.05), strict=True):
            of = moderate(Scatter(int(n), sd**2, 4e-4, 0.0), known_prior(math.log(sd**2), 2.5))
            side = np.exp(scattered(int(n), sd)).tolist()
            found = unpaired(side, side, moderated=(of, of)).detectable
            assert found is not None
            assert float(cell.rstrip("%")) == pytest.approx(100 * found, rel=0.03, abs=0.05)


def scattered(n: int, sd: float) -> NDArray[np.float64]:
    """Logs with exactly this standard deviation, around 0."""
    logs = np.linspace(-1.0, 1.0, n)
    return np.asarray(logs * (sd / np.std(logs, ddof=1)), float)


@pytest.mark.parametrize(("pilot", "plain", "needed"), [(3, 72, 31), (5, 30, 23), (10, 18, 17)])
def test_fewer_replicates_are_recommended_where_the_variance_is_moderated(
    pilot: int, plain: int, needed: int
) -> None:
    """The numbers of docs/statistics.md, at 1% scatter among eleven cases that scatter by 0.5 to 1.6%."""
    medians = np.exp(scattered(pilot, 0.01)).tolist()
    factors = (0.3, 0.5, 0.8, 1.0, 1.0, 1.0, 1.0, 1.2, 1.5, 2.0, 2.5)
    neighbours = [Scatter(3, 1e-4 * factor, 4e-4, 3e-5) for factor in factors]
    own = Scatter(pilot, 1e-4, 4e-4, 3e-5)
    assert recommended_replicates(medians) == plain
    moderated = moderate(own, fit([own, *neighbours]))
    assert recommended_replicates(medians, moderated=moderated) == needed


# ---- bad input -----------------------------------------------------------------------------------------


def width(interval: Interval | None) -> float:
    """The half width, as a share."""
    assert interval is not None
    return math.sqrt(interval.high / interval.low) - 1


def test_one_case_alone_has_the_published_prior() -> None:
    """Two processes that differ by 1%: the plain half width is 6.6%."""
    scatter = Scatter(2, 0.01**2 / 2, 0.02**2, 1e-6)
    moderated = moderate(scatter, fit([scatter]))
    assert moderated.cases == 1
    assert 1 < moderated.prior_freedom < 2
    assert 0.005 < moderated.prior_sd < EXPECTED_SD * 1.5
    assert 0.02 < width(moderated_interval([1.0, 1.01], moderated)) < 0.06


def test_no_case_at_all_leaves_the_published_prior() -> None:
    prior = fit([])
    assert (prior.level, prior.slope, prior.freedom) == (PUBLISHED.level, PUBLISHED.slope, PUBLISHED.freedom)
    assert (prior.level_variance, prior.slope_variance, prior.cases) == pytest.approx((1.0, 0.09, 0))


@pytest.mark.parametrize("lenders", [0, 3, 4, 12])
def test_a_case_of_one_process_borrows_from_four_others_or_more(lenders: int) -> None:
    prior = fit([*planted(9, lenders), Scatter(1, 0.0, 4e-4, 1e-6)])
    moderated = moderate(Scatter(1, 0.0, 4e-4, 1e-6), prior)
    interval = moderated_interval([0.2], moderated)
    assert prior.cases == lenders
    assert moderated.own_sd is None
    if lenders < 4:
        assert interval is None
        return
    assert interval is not None
    assert interval.method == "borrowed"
    variance, freedom = prior.expected(4e-4)
    half = oracle.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert (interval.low, interval.high) == pytest.approx((0.2 * math.exp(-half), 0.2 * math.exp(half)))


def test_processes_that_do_not_differ_have_an_interval_all_the_same() -> None:
    scatters = [Scatter(3, 0.0, 4e-4, 1e-5)] * 8
    moderated = moderate(scatters[0], fit(scatters))
    assert moderated.own_sd == 0
    assert moderated.variance >= 1e-5
    assert 0 < width(moderated_interval([0.3] * 3, moderated)) < 0.02


def test_a_variance_is_never_below_that_of_a_median() -> None:
    moderated = moderate(Scatter(3, 1e-6, 4e-4, 5e-4), known_prior(math.log(1e-6), 4.0))
    assert moderated.variance == pytest.approx(5e-4)
    assert moderated.floor_sd == pytest.approx(math.sqrt(5e-4))


def test_one_sample_in_a_process_is_taken_to_scatter_as_published() -> None:
    assert values(process_scatter([0.7])) == pytest.approx((math.log(0.7), 0.02**2, math.pi / 2 * 0.02**2))


@pytest.mark.parametrize("samples", [[0.0], [1.0, -1.0], [0.0, 2.0, 3.0]])
def test_what_has_no_log_has_no_scatter_and_no_interval(samples: list[float]) -> None:
    assert process_scatter(samples) is None
    moderated = moderate(Scatter(2, 1e-4, 1e-4, 1e-6), fit(planted(9, 5)))
    assert moderated_interval(samples, moderated) is None


def test_samples_that_are_all_equal() -> None:
    """A clock too coarse: nothing is known of the scatter within, and the prior is worth little there."""
    found = process_scatter([0.001] * 20)
    assert found is not None
    assert values(found) == (math.log(0.001), 0.0, 0.0)
    scatter = case_scatter([found] * 3)
    moderated = moderate(scatter, fit([scatter, *planted(10, 6)]))
    assert 0 < moderated.prior_freedom < moderate(planted(10, 1)[0], fit(planted(10, 6))).prior_freedom
    assert 0 < width(moderated_interval([0.001] * 3, moderated)) < 0.05


def test_a_huge_variance_stays_finite_and_spoils_no_other_case() -> None:
    """Two processes of which one took a thousand times as long."""
    wild = Scatter(2, math.log(1000) ** 2 / 2, 4e-4, 1e-6)
    calm = planted(11, 12)
    alone, beside = moderate_all(calm, fit(calm)), moderate_all(calm, fit([wild, *calm]))
    ratios = [two.variance / one.variance for one, two in zip(alone, beside, strict=True)]
    assert max(ratios) < 2
    prior = fit([wild, *calm])
    assert is_restless(moderate(wild, prior))
    interval = moderated_interval([0.001, 1.0], moderate(wild, prior))
    assert interval is not None
    assert 0 < interval.low < 0.001 < 1 < interval.high < math.inf
    assert more_processes(moderate(wild, prior), 2, 0.05) is None


def test_a_case_is_restless_from_twice_the_expected_deviation_on() -> None:
    prior = known_prior(math.log(0.01**2), 3.0)
    assert not is_restless(moderate(Scatter(3, 0.0199**2, 4e-4, 0.0), prior))
    assert is_restless(moderate(Scatter(3, 0.0201**2, 4e-4, 0.0), prior))
    assert not is_restless(moderate(Scatter(1, 0.0, 4e-4, 0.0), prior))


def test_two_kinds_of_processes_of_which_one_was_seen() -> None:
    """A gap of 5% that two alike processes hide: the neighbours' scatter still gives an interval."""
    alike = Scatter(2, 1e-8, 0.02**2, 1e-6)
    neighbours = [Scatter(2, 0.02**2 * factor, 0.02**2, 1e-6) for factor in (0.1, 0.3, 1.0, 2.0, 1.0, 0.5)]
    moderated = moderate(alike, fit([alike, *neighbours]))
    interval = moderated_interval([1.0, 1.0001], moderated)
    assert width(interval) > 0.015
    assert width(across_processes([1.0, 1.0001])) < 0.001


def test_a_case_that_changes_level_in_the_middle_of_the_run() -> None:
    """Three processes and then three that are 15% slower, beside cases that scatter by 1%."""
    medians = [1.0, 1.001, 0.999, 1.15, 1.151, 1.149]
    changed = Scatter(6, statistics.variance(map(math.log, medians)), 4e-4, 1e-6)
    calm = [Scatter(6, 1e-4 * factor, 4e-4, 1e-6) for factor in (0.3, 0.5, 1.0, 1.0, 1.5, 2.0)]
    prior = fit([changed, *calm])
    assert is_restless(moderate(changed, prior))
    assert not any(is_restless(moderate(each, prior)) for each in calm)
    interval = moderated_interval(medians, moderate(changed, prior))
    assert interval is not None
    assert interval.low < 1.01 < 1.14 < interval.high
