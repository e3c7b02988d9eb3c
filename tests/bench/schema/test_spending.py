"""Shares of time in words."""

from __future__ import annotations

from bench.schema.spending import added, in_words


def test_shares_are_told_from_the_largest_and_what_is_nothing_is_left_out() -> None:
    spent = {"starting": 9.0, "measuring": 71.0, "rest": 0.1, "building": 5.9, "warming-up": 14.0}
    assert in_words(spent) == "measuring 71%, warming up 14%, starting 9%, building 6%"


def test_nothing_was_spent() -> None:
    assert in_words({}) == ""
    assert in_words({"rest": 0.0}) == ""


def test_seconds_of_several_are_added_by_what_they_went_to() -> None:
    assert added([{"measuring": 1.0, "rest": 2.0}, {}, {"measuring": 4.0}]) == {"measuring": 5.0, "rest": 2.0}
