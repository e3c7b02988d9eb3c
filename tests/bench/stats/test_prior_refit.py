"""The constants of the published prior, from cases that were drawn with known ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec import structs
from scipy import optimize
from scipy import stats as oracle

from bench.stats.moderation import Scatter
from bench.stats.prior_refit import refit
from bench.stats.published_prior import PUBLISHED
from models.errors import UserError

CENTRE = math.log(0.02**2)


def drawn(
    random: np.random.Generator, cases: int, level: float, slope: float, freedom: float
) -> list[Scatter]:
    """The cases of one machine."""
    x = random.normal(0.5, 1.2, cases)
    processes = random.integers(2, 7, cases)
    s2 = np.exp(level + slope * x) * random.f(processes - 1, freedom)
    return [
        Scatter(int(n), float(variance), math.exp(CENTRE + at), 0.0)
        for n, variance, at in zip(processes, s2, x, strict=True)
    ]


def test_what_was_planted_is_found() -> None:
    """Thirty machines whose levels scatter by 0.8, of forty cases each."""
    random = np.random.default_rng(1)
    levels = random.normal(-7.0, 0.8, 30)
    found = refit([drawn(random, 40, level, 0.45, 3.0) for level in levels])
    assert found.level == pytest.approx(np.median(levels), abs=0.2)
    assert found.slope == pytest.approx(0.45, abs=0.06)
    assert found.freedom == pytest.approx(3.0, rel=0.25)
    expected = math.sqrt((3 * PUBLISHED.level_sd**2 + 29 * np.var(levels, ddof=1)) / 32)
    assert found.level_sd == pytest.approx(expected, abs=0.1)
    kept = ("centre", "slope_sd", "freedom_sd")
    assert [getattr(found, name) for name in kept] == [getattr(PUBLISHED, name) for name in kept]


def test_one_machine_has_the_slope_of_greatest_likelihood_and_the_published_one_between_them() -> None:
    """Against scipy's optimiser, at the freedom that was found; how machines differ it cannot know."""
    cases = drawn(np.random.default_rng(2), 60, -8.0, 0.7, 2.0)
    found = refit([cases])
    s2 = np.array([case.variance for case in cases])
    f = np.array([case.processes - 1 for case in cases])
    x = np.log([case.within for case in cases]) - CENTRE

    def loss(level: float, slope: float) -> float:
        s0 = np.exp(level + slope * x)
        return float(-(oracle.f.logpdf(s2 / s0, f, found.freedom) - np.log(s0)).sum())

    def loss_of_line(line: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return loss(float(line[0]), float(line[1]))

    free = optimize.minimize(loss_of_line, np.array([-7.0, 0.5]), method="BFGS")
    information = found.freedom * f / (2 * (found.freedom + f + 2))
    sure = (information * x**2).sum() - (information * x).sum() ** 2 / information.sum()
    slope = (sure * free.x[1] + 0.6 / 0.3**2) / (sure + 0.3**-2)
    assert found.slope == pytest.approx(slope, abs=1e-3)
    level = optimize.minimize_scalar(lambda level: loss(level, found.slope), bounds=(-12.0, -4.0)).x
    assert found.level == pytest.approx(level, abs=1e-3)
    assert found.level_sd == PUBLISHED.level_sd


def test_cases_of_one_process_count_for_nothing() -> None:
    cases = drawn(np.random.default_rng(3), 30, -8.0, 0.7, 2.0)
    single = [structs.replace(case, processes=1, variance=0.0) for case in cases]
    assert refit([[*cases, *single], single]) == refit([cases])


@pytest.mark.parametrize("cases", [0, 19])
def test_too_few_cases_are_refused(cases: int) -> None:
    with pytest.raises(UserError, match=f"20 cases with two processes or more; these runs have {cases}"):
        refit([drawn(np.random.default_rng(4), cases, -8.0, 0.7, 2.0), []])
