"""Durations as people read them."""

from __future__ import annotations

import pytest

from bench.schema.durations import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (0.42, "0.4 s"),
        (0.97, "1 s"),
        (14.2, "14 s"),
        (89.4, "89 s"),
        (90, "2 minutes"),
        (540, "9 minutes"),
        (5_399, "90 minutes"),
        (5_400, "1.5 hours"),
        (7_200, "2 hours"),
        (45_000, "12 hours"),
        (259_200, "3 days"),
    ],
)
def test_two_digits_and_a_unit_that_suits(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
