"""Dates, changes and differences in words."""

from __future__ import annotations

import math

from bench.archive.run_differences import Difference
from bench.stats.run_series import Shift
from reports.cells import brief
from reports.over_time import trend_words


def shift(share: float, low: float, high: float) -> Shift:
    return Shift(log_ratio=math.log1p(share), low=math.log1p(low), high=math.log1p(high))


def test_days() -> None:
    say = trend_words.days_in_words
    assert say("2026-03-14T02", "2026-03-14T03", with_year=False) == "on 14 March"
    assert say("2026-03-12", "2026-03-14", with_year=False) == "between 12 and 14 March"
    assert say("2026-02-28", "2026-03-02", with_year=False) == "between 28 February and 2 March"
    assert say("2025-12-31", "2026-01-02", with_year=True) == "between 31 December 2025 and 2 January 2026"
    through = trend_words.days_through
    assert through("2026-03-14T02", "2026-03-14T03", with_year=False) == "on 14 March"
    assert through("2026-03-12", "2026-03-14", with_year=False) == "from 12 to 14 March"
    assert through("2025-12-31", "2026-01-02", with_year=True) == "from 31 December 2025 to 2 January 2026"


def test_a_year_is_named_where_days_alone_name_two() -> None:
    assert not trend_words.needs_year(["2026-03-01", "2026-01-01", "2026-12-31"])
    assert trend_words.needs_year(["2026-01-01", "2027-01-01"])
    assert not trend_words.needs_year([])


def test_changes() -> None:
    slower, faster = shift(0.031, 0.024, 0.038), shift(-0.05, -0.056, -0.044)
    assert trend_words.sized(slower) == "3.1% slower (2.4% to 3.8%)"
    assert trend_words.sized(faster) == "5.0% faster (4.4% to 5.6%)"
    assert trend_words.marked(slower) == "▲ +3.1% (+2.4% to +3.8%)"
    assert trend_words.marked(faster) == "▼ -5.0% (-5.6% to -4.4%)"
    assert brief(trend_words.size(faster)) == "5.0% (4.4% to 5.6%)"


def test_differences() -> None:
    driver = Difference("driver", "575", "580")
    commit = Difference("commit", "a" * 40, "b" * 40)
    variable = Difference("TORCH_LOGS", None, "x" * 200)
    say = trend_words.differences_in_words
    assert say([]) == ""
    assert say([driver, commit]) == f"driver 575 → 580 and commit {'a' * 10} → {'b' * 10}"
    assert say([driver, commit, variable]) == "driver 575 → 580 and 2 more"
    assert say([driver, commit], 1) == "driver 575 → 580 and 1 more"
    assert say([variable]).startswith("TORCH_LOGS none → xxx")
    assert len(say([variable])) < 80
