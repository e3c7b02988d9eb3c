"""What moderated intervals and verdicts promise, on simulated runs whose truth is known.

Seeds are fixed. The limits of one look (coverage 94 to 98%, 90% in the noisiest fifth) and of alarms (12 in
400) were fixed beforehand; tighter ones, those of stopping and those of unlike machines were set from what
was seen. The prior and the moderated variances are those of the real functions, over all runs at once. The
world is described in tests/planted/scatter_world.py. `nox -s scale` draws ten times as many.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import stdtrit

from bench.stats import prior_fit, verdicts
from bench.stats.estimates import Moderated
from bench.stats.moderation import FEWEST_LENDERS, RESTLESS, more_processes
from bench.stats.sample_size import recommended_replicates
from tests.planted.scatter_world import Array, World, world

pytestmark = pytest.mark.slow

CASES = 24_000
"""Simulated cases of a cell. One standard error of a coverage of 95% is 0.15 points, of 92% in a fifth of the
cases 0.4, and more at 40 cases a run, as these share a machine."""
CASES_AT_SCALE = 240_000

in_two_sizes = pytest.mark.parametrize(
    "total", [CASES, pytest.param(CASES_AT_SCALE, marks=pytest.mark.scale)]
)


class Looked(NamedTuple):
    """What the first `n` processes of every case give, of logs."""

    centre: Array
    variance: Array
    freedom: Array
    prior_variance: Array
    prior_freedom: Array
    own_variance: Array
    n: Array

    def half(self) -> Array:
        error: Array = np.sqrt(self.variance / self.n)
        t = np.asarray(stdtrit(self.freedom, 0.975), float)
        return t * error

    def covers(self) -> NDArray[np.bool_]:
        covers: NDArray[np.bool_] = np.abs(self.centre) <= self.half()
        return covers

    def part(self, cases: slice) -> Looked:
        """These cases of every run."""
        return Looked(*(field[:, cases] for field in self))

    def moderated(self, at: tuple[int, ...]) -> Moderated:
        """Of one case, as the functions for reports have it."""
        return Moderated(
            variance=float(self.variance[at]),
            freedom=float(self.freedom[at]),
            prior_freedom=float(self.prior_freedom[at]),
            prior_sd=math.sqrt(self.prior_variance[at]),
            own_sd=math.sqrt(self.own_variance[at]),
            floor_sd=0.0,
            cases=self.n.shape[-1],
        )


def look(w: World, n: Array) -> Looked:
    """At the first `n` processes of every case (two or more of each); one prior for each run."""
    taken = np.arange(w.medians.shape[-1]) < n[..., np.newaxis]
    centre = (w.medians * taken).sum(-1) / n
    s2 = ((w.medians - centre[..., np.newaxis]) ** 2 * taken).sum(-1) / (n - 1)
    within = (w.within * taken).sum(-1) / n
    own = n - 1.0
    expected, worth = prior_fit.expected(prior_fit.fit(s2, own, within), within)
    variance = prior_fit.moderated(s2, own, math.pi / 2 * within / w.samples, expected, worth)
    return Looked(centre, variance, own + worth, expected, worth, s2, n)


def at_first(w: World, n: int) -> Looked:
    return look(w, np.full(w.sd.shape, float(n)))


def both_sides(w: World, base: Array, new: Array) -> tuple[Looked, Looked]:
    """Two runs of the same cases, which never share a process; one prior of both, as `compare` has it."""
    half = w.medians.shape[-1] // 2
    runs = World(
        np.concatenate([w.medians[..., :half], w.medians[..., half:]], axis=1),
        np.concatenate([w.within[..., :half], w.within[..., half:]], axis=1),
        w.samples,
        np.concatenate([w.sd, w.sd], axis=1),
    )
    found = look(runs, np.concatenate([base, new], axis=1))
    return found.part(slice(0, w.sd.shape[1])), found.part(slice(w.sd.shape[1], None))


class Compared(NamedTuple):
    """Which cases the verdict calls slower or faster, and which equivalent, if it is looked at alone."""

    apart: NDArray[np.bool_]
    slower: NDArray[np.bool_]
    equivalent: NDArray[np.bool_]


def compare(base: Looked, new: Looked, slowdown: float = 0.0) -> Compared:
    """The rule of verdicts over all cases at once; a test below compares it with `verdicts.unpaired`."""
    e_a, e_b, d = (
        base.variance / base.n,
        new.variance / new.n,
        np.minimum(base.prior_freedom, new.prior_freedom),
    )
    satterthwaite = (e_a + e_b) ** 2 / (e_a**2 / (d + base.n - 1) + e_b**2 / (d + new.n - 1))
    freedom = np.minimum(satterthwaite, d + base.n + new.n - 2)
    shift, error = new.centre - base.centre + math.log1p(slowdown), np.sqrt(e_a + e_b)
    outer, inner = stdtrit(freedom, 0.995) * error, stdtrit(freedom, 0.95) * error
    margin = verdicts.MARGIN
    equivalent = (shift - inner >= math.log1p(-margin)) & (shift + inner <= math.log1p(margin))
    return Compared((np.abs(shift) > outer) & ~equivalent, (shift > outer) & ~equivalent, equivalent)


@in_two_sizes
@pytest.mark.parametrize("cases", [4, 12, 40])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_moderated_intervals_cover_the_truth(n: int, cases: int, total: int) -> None:
    w = world(np.random.default_rng([n, cases]), total // cases, cases, n)
    covers = at_first(w, n).covers()
    assert 0.94 <= covers.mean() <= 0.98
    assert covers[w.noisiest_fifth()].mean() >= 0.90


@in_two_sizes
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_one_case_alone_is_covered_too(n: int, total: int) -> None:
    w = world(np.random.default_rng([n, 1]), total, 1, n)
    covers = at_first(w, n).covers()
    assert 0.94 <= covers.mean() <= 0.99
    assert covers[w.noisiest_fifth()].mean() >= 0.93


def test_intervals_of_two_processes_are_a_third_as_wide() -> None:
    w = world(np.random.default_rng([2, 12]), 1000, 12, 2)
    plain = stdtrit(1, 0.975) * w.medians.std(-1, ddof=1) / math.sqrt(2)
    assert 0.035 <= np.median(np.expm1(at_first(w, 2).half())) <= 0.055
    assert np.median(np.expm1(plain)) >= 0.12


@in_two_sizes
@pytest.mark.parametrize("cases", [1 + FEWEST_LENDERS, 12, 40])
@pytest.mark.parametrize("n", [2, 3])
def test_an_interval_that_is_borrowed_covers_the_truth(n: int, cases: int, total: int) -> None:
    """The first case of every run has one process, the others have n."""
    w = world(np.random.default_rng([7, n, cases]), total // 8, cases, n)
    others = w.medians[:, 1:].var(-1, ddof=1)
    line = prior_fit.fit(others, np.full_like(others, n - 1.0), w.within[:, 1:].mean(-1))
    within = w.within[:, :1, 0]
    expected, worth = prior_fit.expected(line, within)
    variance = prior_fit.moderated(
        np.zeros_like(within), np.zeros_like(within), math.pi / 2 * within / w.samples, expected, worth
    )
    covers = np.abs(w.medians[:, :1, 0]) <= stdtrit(worth, 0.975) * np.sqrt(variance)
    loud = w.sd[:, :1] >= np.quantile(w.sd[:, :1], 0.8)
    assert 0.94 <= covers.mean() <= 0.995
    assert covers[loud].mean() >= 0.85


@in_two_sizes
@pytest.mark.parametrize("cases", [4, 40])
@pytest.mark.parametrize("sides", [(2, 2), (3, 3), (5, 5), (2, 8), (3, 10)])
def test_a_thing_is_rarely_told_from_itself(sides: tuple[int, int], cases: int, total: int) -> None:
    """At most 12 times in 400, and in fact in 1.0% with equal sides, 1.3% with unequal ones."""
    w = world(np.random.default_rng([*sides, cases]), total // 2 // cases, cases, 2 * max(sides))
    base, new = both_sides(w, np.full(w.sd.shape, float(sides[0])), np.full(w.sd.shape, float(sides[1])))
    apart, _, _ = compare(base, new)
    assert apart.mean() <= (0.012 if sides[0] == sides[1] else 0.016)
    assert apart[w.noisiest_fifth()].mean() <= 12 / 400 + 0.005
    at_the_margin = compare(base, new, slowdown=verdicts.MARGIN)
    assert at_the_margin.equivalent.mean() <= verdicts.EQUIVALENCE_ERROR / 2


def test_the_rule_of_these_tests_is_that_of_verdicts() -> None:
    w = world(np.random.default_rng(21), 40, 6, 20)
    base, new = both_sides(w, np.full(w.sd.shape, 7.0), np.full(w.sd.shape, 10.0))
    words = {"equivalent": 0, "inconclusive": 0, "slower": 0, "faster": 0}
    for at, slowdown in itertools.product(np.ndindex(w.sd.shape), (0.0, 0.04)):
        compared = compare(base, new, slowdown)
        medians = np.exp(w.medians[at])
        found = verdicts.unpaired(
            medians[:7].tolist(),
            ((1 + slowdown) * medians[10:]).tolist(),
            moderated=(base.moderated(at), new.moderated(at)),
        )
        words[found.verdict] += 1
        assert (found.verdict == "slower") == compared.slower[at]
        assert (found.verdict in ("slower", "faster")) == compared.apart[at]
        assert (found.verdict == "equivalent") == compared.equivalent[at]
    assert min(words["equivalent"], words["inconclusive"], words["slower"]) >= 10


@pytest.mark.parametrize("pilot", [3, 5, 10])
@pytest.mark.parametrize(
    ("runs", "least"), [(50, 0.985), pytest.param(500, 0.99, marks=pytest.mark.scale)], ids=["", "scale"]
)
def test_a_slowdown_of_3_percent_is_found_at_the_recommended_replicates(
    pilot: int, runs: int, least: float
) -> None:
    """Of cases for which 250 processes or fewer are recommended; three processes are a good pilot here."""
    most, cases = 250, 12
    found = asked = 0
    for seed in range(runs // 50):
        w = world(np.random.default_rng([pilot, 13, seed]), 50, cases, pilot + 2 * most)
        piloted = at_first(w.only(0, pilot), pilot)
        medians = np.exp(w.medians[..., :pilot])
        n = np.zeros(w.sd.shape)
        for at in np.ndindex(w.sd.shape):
            n[at] = recommended_replicates(medians[at].tolist(), moderated=piloted.moderated(at))
        base, new = both_sides(w.only(pilot, pilot + 2 * most), np.minimum(n, most), np.minimum(n, most))
        found += int(compare(base, new, slowdown=0.03).slower[n <= most].sum())
        asked += int((n <= most).sum())
    assert asked >= 0.7 * runs * cases
    assert found / asked >= least


def until(w: World, target: float, fewest: int, most: int) -> Looked:
    """Rounds: every case whose interval is too wide gets a process more, and all priors are fitted anew."""
    n = np.full(w.sd.shape, float(fewest))
    for _ in range(fewest, most):
        n = n + (np.expm1(look(w, n).half()) > target)
    return look(w, n)


@pytest.mark.parametrize(
    ("total", "most", "noisiest"),
    [
        (15_000, 10, 0.88),
        pytest.param(CASES_AT_SCALE, 10, 0.89, marks=pytest.mark.scale),
        pytest.param(CASES_AT_SCALE, 8, 0.89, marks=pytest.mark.scale),
    ],
)
@pytest.mark.parametrize(
    ("target", "cases", "fewest"), [(0.03, 12, 3), (0.05, 4, 2), (0.05, 12, 2), (0.05, 40, 2), (0.08, 12, 2)]
)
def test_stopping_at_a_target_keeps_the_coverage_of_all_cases(
    target: float, cases: int, fewest: int, most: int, total: int, noisiest: float
) -> None:
    """The noisiest fifth of 40 cases at 5% is the lowest: 89.5% of 240,000 cases, below the 90% of one look.

    The limit in the small size leaves room for chance: 12,000 of these cases gave 88.6%.
    """
    seed = [int(1000 * target), fewest, most, cases]
    w = world(np.random.default_rng(seed), total // cases, cases, most)
    found = until(w, target, fewest, most)
    covers = found.covers()
    assert 0.94 <= covers.mean() <= 0.98
    assert covers[w.noisiest_fifth()].mean() >= noisiest
    met = np.expm1(found.half()) <= target
    assert met.mean() >= {0.03: 0.75, 0.05: 0.92, 0.08: 0.97}[target]
    if most == 10:
        assert found.n.mean() == pytest.approx({0.03: 5.0, 0.05: 3.2, 0.08: 2.4}[target], abs=0.25)


@in_two_sizes
@pytest.mark.parametrize("cases", [1, 12])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize(
    ("noise", "least", "noisiest"), [(0.5, 0.96, 0.94), (2.0, 0.93, 0.85), (3.0, 0.905, 0.80)]
)
def test_a_machine_unlike_the_published_prior(
    noise: float, least: float, noisiest: float, n: int, cases: int, total: int
) -> None:
    """What docs/statistics.md states as a limit: processes that scatter twice or thrice as much as usual at
    the same scatter within them. The run's other cases cure a part of it."""
    seed = [n, cases, int(10 * noise)]
    w = world(np.random.default_rng(seed), total // 2 // cases, cases, n, noise=noise)
    covers = at_first(w, n).covers()
    assert covers.mean() >= least
    assert covers[w.noisiest_fifth()].mean() >= noisiest


@pytest.mark.parametrize("cases", [4, 12, 40])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_one_case_in_ten_is_restless(n: int, cases: int) -> None:
    w = world(np.random.default_rng([n, cases]), CASES // cases, cases, n)
    found = at_first(w, n)
    assert 0.05 <= (found.own_variance >= RESTLESS * found.prior_variance).mean() <= 0.13


@pytest.mark.parametrize("cases", [4, 12])
@pytest.mark.parametrize(("n", "target"), [(2, 0.03), (2, 0.05), (3, 0.02), (3, 0.03)])
def test_about_so_many_more_processes_reach_a_width(n: int, target: float, cases: int) -> None:
    """Enough for more than half of the cases, and the width then reached is near the one asked for."""
    w = world(np.random.default_rng([n, cases, 9]), 1500 // cases, cases, n + 50)
    now = at_first(w, n)
    more = np.zeros(w.sd.shape)
    for at in np.ndindex(w.sd.shape):
        more[at] = more_processes(now.moderated(at), n, target) or 0
    reached = np.expm1(look(w, n + more).half())[more > 0] / target
    assert 0.5 <= (reached <= 1).mean() <= 0.85
    assert 0.75 <= np.median(reached) <= 1
    assert np.quantile(reached, 0.9) <= 1.6
