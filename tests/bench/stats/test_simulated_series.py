"""What trend promises about its errors, on series whose truth is known.

Seeds are fixed. The figures in docs/statistics.md come from `tables()`, which
`python -m tests.bench.stats.test_simulated_series` writes; the tests hold them within three standard errors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from bench.stats.change_points import find_changes
from bench.stats.run_series import Changes
from tests.planted.planted_series import (
    Array,
    autocorrelated_series,
    heavy_tailed_series,
    level_series,
    points,
    rows,
)

pytestmark = pytest.mark.slow

NIGHTS = 90
BEFORE = 60
"""Nights before a step."""
WITHIN = (3, 5, 10, 20)
"""Runs within which a step is told, its own run first."""
SERIES, SERIES_AT_SCALE = 1_200, 12_000

World = Callable[[int, int], Array]
in_two_sizes = pytest.mark.parametrize(
    "total", [SERIES, pytest.param(SERIES_AT_SCALE, marks=pytest.mark.scale)]
)


def alike(seed: int, cases: int) -> Array:
    return level_series(seed, cases, NIGHTS)


def unlike(seed: int, cases: int) -> Array:
    """Cases whose spreads differ, with a standard deviation of a quarter in their logs."""
    scale = np.exp(np.random.default_rng(seed + 10**6).normal(0.0, 0.25, (cases, 1)))
    logs: Array = -5.0 + (alike(seed, cases) + 5.0) * scale
    return logs


def autocorrelated(seed: int, cases: int) -> Array:
    return autocorrelated_series(seed, cases, NIGHTS, 0.3)


def heavy_tailed(seed: int, cases: int) -> Array:
    return heavy_tailed_series(seed, cases, NIGHTS, 4.0)


def false_alarms(world: World, cases: int, total: int) -> float:
    """Share of series without a change of which a step or a drift is told in any night of the replay."""
    found = [each for seed in range(total // cases) for each in find_changes(rows(world(seed, cases)))]
    return sum(bool(each.steps or each.drifts) for each in found) / len(found)


def told_within(size: float, cases: int, total: int, before: int = BEFORE) -> list[float]:
    """Share of `total` steps that are told within 3, 5, 10 and 20 runs; each fourth case steps."""
    waits: list[float] = []
    seed = 50_000
    while len(waits) < total:
        logs = level_series(seed, cases, before + WITHIN[-1])
        logs[::4, before:] += size
        waits += [_wait(each, before) for each in find_changes(rows(logs))[::4]]
        seed += 1
    return [sum(wait <= within for wait in waits) / len(waits) for within in WITHIN]


def _wait(changes: Changes, before: int) -> float:
    told = [step.told_at - before + 1 for step in changes.steps if step.told_at >= before]
    return min(told, default=np.inf)


def error(share: float, total: int) -> float:
    """Three standard errors of a share."""
    return float(3 * np.sqrt(share * (1 - share) / total))


@in_two_sizes
@pytest.mark.parametrize(("world", "share"), [(alike, 0.01), (unlike, 0.01)])
def test_a_hundredth_of_series_without_a_change_has_a_false_alarm(
    world: World, share: float, total: int
) -> None:
    assert false_alarms(world, 40, total) <= share + error(share, total)


@in_two_sizes
def test_a_step_of_3_percent_is_told_within_three_runs(total: int) -> None:
    three, five, _, _ = told_within(0.03, 40, total // 3)
    assert three >= 0.985 - error(0.985, total // 3)
    assert five >= 0.995 - error(0.995, total // 3)


@pytest.mark.scale
@pytest.mark.parametrize("cases", [8, 1])
def test_few_cases_have_no_more_false_alarms(cases: int) -> None:
    assert false_alarms(alike, cases, 3_000) <= 0.01 + error(0.01, 3_000)


def test_boundaries_at_which_nothing_changed_are_told_in_half_a_percent_at_most() -> None:
    """Twenty in a year."""
    marks = range(18, 365, 18)
    found = find_changes([points(row, marks) for row in level_series(700, 80, 365)])
    marked = [mark for each in found for mark in each.boundaries]
    assert len(marked) == 80 * 20
    assert sum(mark.told_at is not None for mark in marked) <= 0.005 * len(marked) + 3 * 8**0.5


def test_intervals_of_steps_cover_their_size() -> None:
    """93 to 97% of them, 60 runs later."""
    covered = []
    for seed, size in enumerate((0.01, 0.02, 0.03, -0.03, -0.02, -0.01) * 2):
        logs = level_series(900 + seed, 40, 140)
        logs[:, 60:] += size
        for changes in find_changes(rows(logs)):
            covered += [
                step.shift.low < size < step.shift.high for step in changes.steps if step.told_at > 59
            ]
    assert len(covered) > 400
    assert 0.93 - 0.02 <= np.mean(covered) <= 0.97 + 0.02


def tables(total: int = 4_000) -> None:
    """The figures of docs/statistics.md, to stdout."""

    def say(*words: object) -> None:
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()

    for cases, share in ((40, 1.0), (8, 0.4), (1, 0.15)):
        some = int(total * share)
        for size in (0.03, 0.02, 0.015, 0.01, 0.005):
            say(cases, "cases, step after 60:", size, told_within(size, cases, some))
        for before in (40, 90):
            say(cases, "cases, step after", before, 0.03, told_within(0.03, cases, some, before))
    for world in (alike, unlike, autocorrelated, heavy_tailed):
        say(world.__name__, "40 cases, false alarms:", false_alarms(world, 40, 2 * total))
    for cases in (8, 1):
        say("alike", cases, "cases, false alarms:", false_alarms(alike, cases, total))


if __name__ == "__main__":
    tables()
