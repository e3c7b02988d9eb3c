"""The interval of a median whose samples resemble their neighbours."""

from __future__ import annotations

import random

from bench.stats.diagnostics import corrected_interval
from bench.stats.estimates import within_process


def test_samples_whose_neighbours_are_alike_have_a_wider_interval() -> None:
    """Each of fifty values twenty times in a row: worth about fifty samples, and not a thousand."""
    source = random.Random(0)
    levels = [source.gauss(1.0, 0.01) for _ in range(50)]
    samples = [level for level in levels for _ in range(20)]
    narrow, wide = within_process(sorted(samples)), corrected_interval(samples)
    assert narrow is not None
    assert wide is not None
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_independent_samples_keep_their_interval() -> None:
    source = random.Random(0)
    samples = [source.gauss(1.0, 0.01) for _ in range(200)]
    assert corrected_interval(samples) == within_process(sorted(samples))


def test_too_few_samples_have_no_interval() -> None:
    assert corrected_interval([]) is None
    assert corrected_interval([1.0] * 5) is None
