"""A run is placed when it was measured, but not where a clock that was wrong says so."""

from __future__ import annotations

import pytest

from bench.archive.run_dates import RunDate, run_date

ADDED = "2026-03-02T04:00:00+00:00"


@pytest.mark.parametrize(
    ("started", "at"),
    [
        ("2026-03-02T03:00:00+00:00", "2026-03-02T03:00:00+00:00"),
        ("2026-03-02T03:00:00Z", "2026-03-02T03:00:00+00:00"),
        ("2026-03-02T05:00:00+02:00", "2026-03-02T03:00:00+00:00"),
        ("2026-03-02T03:00:00", "2026-03-02T03:00:00+00:00"),
        ("2019-07-01T03:00:00+00:00", "2019-07-01T03:00:00+00:00"),
        ("2026-03-02T04:20:00+00:00", "2026-03-02T04:20:00+00:00"),
    ],
    ids=["the same night", "Z", "another zone", "no zone", "years before", "clocks of two hosts differ"],
)
def test_a_run_is_of_when_it_began(started: str, at: str) -> None:
    assert run_date(started, ADDED) == RunDate(at)


@pytest.mark.parametrize(
    "started",
    [
        "2026-03-02T05:00:01+00:00",
        "2031-03-02T03:00:00+00:00",
        "1970-01-01T00:00:07+00:00",
        "2000-01-01T00:00:07+00:00",
        "0001-01-01T00:00:00+14:00",
        "yesterday",
        "",
    ],
)
def test_a_clock_that_was_wrong_leaves_when_it_was_added(started: str) -> None:
    assert run_date(started, ADDED) == RunDate(ADDED, is_dated=False)


def test_where_nothing_says_when_there_is_still_an_order() -> None:
    assert run_date("", "") == RunDate("1970-01-01T00:00:00+00:00", is_dated=False)
    assert run_date("2020-05-05T00:00:00Z", "") == RunDate("2020-05-05T00:00:00+00:00")
