"""Dates below an axis: first days of months within the span, at most as many as fit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reports.drawing.date_ticks import date_ticks


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def labels(first: str, last: str, most: int = 5) -> list[str]:
    return [label for _, label in date_ticks(seconds(first), seconds(last), most)]


def test_of_ninety_nights_they_are_months() -> None:
    assert labels("2026-01-01T02:00", "2026-03-31T02:00") == ["Jan 2026", "Feb", "Mar"]


def test_of_years_they_are_years() -> None:
    assert labels("2026-01-01T02:00", "2030-12-30T02:00") == ["2026", "2027", "2028", "2029", "2030"]


def test_of_weeks_they_are_days() -> None:
    assert labels("2026-02-03T02:00", "2026-02-20T02:00") == ["3 Feb", "8 Feb", "13 Feb", "18 Feb"]


def test_a_new_year_is_named() -> None:
    assert labels("2025-10-15", "2026-02-15") == ["Nov 2025", "Dec", "Jan 2026", "Feb"]


def test_a_tick_is_at_its_day() -> None:
    found = date_ticks(seconds("2026-01-15"), seconds("2026-03-15"), 5)
    assert [at for at, _ in found] == [seconds("2026-02-01"), seconds("2026-03-01")]


@pytest.mark.parametrize(
    "last", ["2026-01-15", "2026-01-16", "2026-02-14", "2026-03-02", "2027-01-01", "2036-01-01", "2126-01-01"]
)
def test_there_is_one_at_least_and_never_more_than_fit(last: str) -> None:
    found = date_ticks(seconds("2026-01-15"), seconds(last), 5)
    assert 1 <= len(found) <= 5
    assert all(seconds("2026-01-15") <= at <= seconds(last) for at, _ in found)
