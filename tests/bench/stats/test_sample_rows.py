"""Many series at once: the same as each series by itself."""

from __future__ import annotations

import numpy as np
import pytest

from bench.stats import diagnostics
from bench.stats.estimates import median, within_process
from bench.stats.moderation import process_scatter
from bench.stats.sample_rows import Floats, SampleRows

LENGTHS = (2, 3, 5, 6, 7, 19, 20, 21, 40, 63)


def series(length: int) -> Floats:
    """Of all kinds: noise, two modes, a drift, ticks of a coarse clock, equal ones, a jump at the end."""
    draw = np.random.default_rng(length)
    noise = np.exp(draw.normal(0, 0.02, (40, length)))
    modes = noise * np.where(draw.random((40, length)) < 0.4, 1.3, 1.0)
    drift = noise * np.linspace(1, 1.2, length)
    ticks = np.round(noise, 2)
    equal = np.full((2, length), 0.25)
    jump = np.where(np.arange(length) < length - length // 5, 1.0, 2.0) * noise
    return np.concatenate([noise, modes, drift, ticks, equal, jump])


@pytest.mark.parametrize("length", LENGTHS)
def test_medians_and_their_intervals_are_those_of_each_series(length: int) -> None:
    rows = SampleRows.of(series(length))
    ends = rows.median_intervals()
    for at, samples in enumerate(series(length).tolist()):
        assert rows.medians[at] == median(samples)
        expected = within_process(sorted(samples))
        assert (ends is None) == (expected is None)
        if ends is not None and expected is not None:
            assert (ends[0][at], ends[1][at]) == (expected.low, expected.high)


@pytest.mark.parametrize("length", LENGTHS)
def test_variances_of_logs_are_those_of_each_series(length: int) -> None:
    found = SampleRows.of(series(length)).log_variances()
    for variance, samples in zip(found.tolist(), series(length).tolist(), strict=True):
        expected = process_scatter(samples)
        assert expected is not None
        assert variance == pytest.approx(expected.within, rel=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
def test_neighbours_and_modes_are_judged_as_those_of_each_series(length: int) -> None:
    rows = SampleRows.of(series(length))
    facts = zip(series(length).tolist(), *rows.sides(), rows.may_have_modes(), strict=True)
    alike = modes = 0
    for samples, above, crossings, possible in facts:
        correlation = diagnostics.correlation_of_sides(length, above, crossings)
        assert correlation == diagnostics.autocorrelation(samples)
        found = diagnostics.two_modes(sorted(samples))
        assert possible or found is None
        alike += correlation is not None
        modes += found is not None
    assert (alike > 0) == (modes > 0) == (length >= diagnostics.FEWEST_TO_JUDGE)


def test_some_rows_are_what_they_were() -> None:
    rows = SampleRows.of(series(20))
    some = rows.only(np.array([1, 4, 5]))
    for whole, part in ((rows.taken, some.taken), (rows.ordered, some.ordered)):
        assert np.array_equal(whole[[1, 4, 5]], part)
    assert rows.only(np.arange(len(rows.taken))) is rows
