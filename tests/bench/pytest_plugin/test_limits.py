"""When a limit fails a test: by the median of one process, by the interval over several."""

from __future__ import annotations

from typing import Any

import pytest

from bench.pytest_plugin import limits
from bench.pytest_plugin.benchmarked import Benchmarked
from bench.pytest_plugin.gate_options import FailOn

ONE = Benchmarked(is_measured=True, seconds=(1.0, 1.2, 1.4), size=1000)
SEVERAL = Benchmarked(is_measured=True, seconds=(1.1, 1.3), center=1.2, processes=2, ends=(1.0, 1.4))


def failure(found: Benchmarked, fail_on: FailOn | None = None, **limit: Any) -> str | None:
    try:
        limits.judge(found, pytest.mark.convbench(**limit).mark, fail_on)
    except pytest.fail.Exception as failed:
        return str(failed)
    return None


def test_one_process_is_judged_by_its_median() -> None:
    assert failure(ONE, max_seconds=1.2) is None
    assert "the median is 1.2 s, above max_seconds=1.1" in str(failure(ONE, max_seconds=1.1))


def test_several_are_judged_by_both_ends_of_their_interval() -> None:
    assert failure(SEVERAL, max_seconds=1.1) is None
    assert "2 processes is 1.2 s (1 to 1.4), above" in str(failure(SEVERAL, max_seconds=0.9))


def test_a_limit_inside_the_interval_is_inconclusive() -> None:
    assert "too few processes" in str(failure(SEVERAL, "inconclusive", max_seconds=1.1))
    assert failure(SEVERAL, "inconclusive", max_seconds=1.5) is None


@pytest.mark.parametrize("limit", ["2s", None, -1, 0, float("nan"), True])
def test_a_limit_is_a_number_above_zero(limit: object) -> None:
    for name in ("max_seconds", "max_bytes"):
        assert f"{name} must be a number above 0, got {limit!r}" in str(failure(ONE, None, **{name: limit}))


def test_bytes_and_words_that_are_no_limit() -> None:
    assert "the peak is 1,000 bytes" in str(failure(ONE, max_bytes=999))
    assert "takes max_seconds and max_bytes" in str(failure(ONE, seconds=1.0))
