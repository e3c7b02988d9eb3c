"""What trend tells of series that were planted."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from bench.stats import autocorrelation
from bench.stats.change_points import find_changes
from bench.stats.run_series import Changes, SeriesPoint
from bench.stats.run_spread import inverse_trigamma
from bench.stats.scan_levels import EVERY, FALSE_ALARMS, RUNS, chances, thresholds
from tests.planted.planted_series import SPREAD, Array, autocorrelated_series, level_series, points, rows

OTHERS = level_series(0, 39, 120)
"""39 other series of the archive, without any change."""


def among_others(logs: Array, boundaries: tuple[int, ...] = ()) -> Changes:
    """What is found in a series of an archive of 40."""
    return find_changes([points(logs, boundaries), *rows(OTHERS)])[0]


def quiet(seed: int = 1) -> Array:
    logs: Array = level_series(seed, 1, 120)[0]
    return logs


def told(changes: Changes) -> list[tuple[str, int, int]]:
    """Everything that was told, with where it is and when."""
    steps = [("step", step.at, step.told_at) for step in changes.steps]
    marks = [("boundary", mark.at, mark.told_at) for mark in changes.boundaries if mark.told_at is not None]
    drifts = [("drift", drift.first, drift.told_at) for drift in changes.drifts]
    return sorted([*steps, *marks, *drifts], key=lambda each: each[2])


def test_nothing_is_told_of_a_series_that_never_changes() -> None:
    changes = among_others(quiet())
    assert told(changes) == []
    (level,) = changes.levels
    assert (level.first, level.last) == (0, 119)
    assert level.low < -5.0 < level.high
    assert level.log_seconds == pytest.approx(quiet().mean(), abs=2e-4)


def test_a_step_of_3_percent_is_told_at_its_third_run() -> None:
    logs = quiet()
    logs[60:] += 0.03
    changes = among_others(logs)
    (step,) = changes.steps
    assert (step.at, step.earliest, step.latest, step.told_at) == (60, 60, 60, 62)
    assert step.shift.low < 0.03 < step.shift.high
    assert step.shift.log_ratio == pytest.approx(logs[60:].mean() - logs[:60].mean(), abs=3e-4)
    assert [(level.first, level.last) for level in changes.levels] == [(0, 59), (60, 119)]


def test_a_step_back_is_a_step_of_its_own() -> None:
    logs = quiet()
    logs[60:70] -= 0.05
    assert told(among_others(logs)) == [("step", 60, 62), ("step", 70, 72)]


def test_a_step_of_1_percent_is_found_where_it_may_be() -> None:
    logs = quiet()
    logs[50:] += 0.01
    (step,) = among_others(logs).steps
    assert step.earliest <= 50 <= step.latest
    assert step.earliest <= step.at <= step.latest <= step.told_at
    assert step.shift.low < 0.01 < step.shift.high


def test_single_runs_off_the_level_are_outliers_even_two_within_few_nights() -> None:
    logs = quiet()
    logs[[40, 42, 70, 100]] += (0.08, 0.10, -0.06, 0.30)
    changes = among_others(logs)
    assert told(changes) == []
    assert changes.outliers == (40, 42, 70, 100)


def test_two_nights_in_a_row_off_the_level_are_outliers_and_three_are_a_step() -> None:
    two, three = quiet(), quiet()
    two[60:62] += 0.08
    three[60:63] += 0.08
    assert told(among_others(two)) == []
    assert among_others(two).outliers == (60, 61)
    assert told(among_others(three))[0] == ("step", 60, 62)


@pytest.mark.parametrize("slope", [0.0003, 0.0005, 0.001])
def test_a_drift_is_told_once_and_not_as_a_stair(slope: float) -> None:
    logs = quiet(3)
    logs += slope * np.clip(np.arange(120) - 30, 0, None)
    changes = among_others(logs)
    assert [kind for kind, _, _ in told(changes)] == ["drift"]
    (drift,) = changes.drifts
    assert abs(drift.first - 30) <= 15
    assert drift.last == 119
    assert drift.per_run.low < slope < drift.per_run.high


def test_a_drift_that_began_as_a_step_goes_on_as_a_drift() -> None:
    """Its first runs are told as a step; the next step of the stair is told as the drift that it is."""
    logs = level_series(12, 8, 120)
    logs[0] += 0.001 * np.clip(np.arange(120) - 30, 0, None)
    assert [kind for kind, _, _ in told(find_changes(rows(logs))[0])] == ["step", "drift"]


def test_a_step_after_a_drift_has_ended_is_found() -> None:
    logs = quiet(3)
    logs += 0.001 * np.clip(np.arange(120) - 20, 0, 40)
    logs[100:] += 0.04
    changes = among_others(logs)
    assert [kind for kind, _, _ in told(changes)] == ["drift", "step"]
    assert (changes.steps[0].at, changes.steps[0].told_at) == (100, 102)
    assert abs(changes.drifts[0].last - 60) <= 8


def test_a_step_during_a_drift_is_found() -> None:
    logs = quiet(3) + 0.0005 * np.clip(np.arange(120) - 10, 0, None)
    logs[90:] += 0.05
    changes = among_others(logs)
    assert ("step", 90, 92) in told(changes)
    (shift,) = [step.shift for step in changes.steps if step.at == 90]
    assert shift.low < 0.05 < shift.high


def test_a_drift_that_goes_on_after_a_step_is_not_part_of_its_size() -> None:
    logs = quiet(3) + 0.001 * np.clip(np.arange(120) - 10, 0, None)
    logs[60:] += 0.05
    (shift,) = [step.shift for step in among_others(logs).steps if step.at == 60]
    assert shift.low < 0.05 < shift.high


def test_a_change_at_a_marked_run_belongs_to_the_boundary() -> None:
    logs = quiet()
    logs[60:] += 0.02
    changes = among_others(logs, (30, 60))
    assert changes.steps == ()
    unchanged, stepped = changes.boundaries
    assert (unchanged.at, unchanged.told_at) == (30, None)
    assert unchanged.shift is not None
    assert unchanged.shift.low < 0.0 < unchanged.shift.high
    assert stepped.at == 60
    assert stepped.told_at in range(62, 65)
    assert stepped.shift is not None
    assert stepped.shift.low < 0.02 < stepped.shift.high


def test_where_a_step_may_be_holds_the_run_where_it_is() -> None:
    """In 95 of 100 series, also where the run before happened to be slow and the step was told early."""
    logs = level_series(3, 40, 100)
    logs[:, 70:] += math.log1p(0.031)
    found = [step for each in find_changes(rows(logs)) for step in each.steps if abs(step.at - 70) < 8]
    assert len(found) >= 39
    assert any(step.at < 70 for step in found)
    assert sum(step.earliest <= 70 <= step.latest for step in found) >= 0.95 * len(found)


def test_a_step_told_a_run_before_its_mark_still_belongs_to_the_boundary() -> None:
    """Of 40 series some have a slow run right before the new driver, and are told after its second run."""
    logs = level_series(3, 40, 100)
    logs[:, 70:] += math.log1p(0.031)
    changes = find_changes([points(row, (70,)) for row in logs])
    assert sum(each.boundaries[0].told_at is not None for each in changes) >= 39
    assert not [step for each in changes for step in each.steps if abs(step.at - 70) < 4]


def test_a_run_that_lies_high_before_a_jump_at_a_mark_stays_before_it() -> None:
    """Three standard deviations are far less than 40, however both are cut as outliers are."""
    logs = quiet()
    logs[59] = logs[:59].mean() + 3.2 * SPREAD
    logs[60:] += 0.34
    assert told(among_others(logs, (60,))) == [("boundary", 60, 62)]
    assert told(among_others(logs)) == [("step", 60, 62)]


def test_a_step_away_from_a_mark_is_its_own() -> None:
    logs = quiet()
    logs[60:] += 0.05
    changes = among_others(logs, (56,))
    assert told(changes) == [("step", 60, 62)]


def test_runs_that_are_added_never_change_what_was_told() -> None:
    """Nor does another series that is longer."""
    random = np.random.default_rng(7)
    logs = level_series(8, 6, 90)
    for row in logs:
        for at in random.integers(10, 85, 3):
            row[at:] += random.choice([-0.05, -0.02, 0.02, 0.05])
        row[random.integers(0, 90, 2)] += 0.1
    logs[0] += 0.001 * np.arange(90)
    marks = (25, 50)
    whole = [told(each) for each in find_changes([points(row, marks) for row in logs])]
    assert sum(map(len, whole)) > 12
    for n in range(1, 90, 4):
        so_far = find_changes([points(row[:n], marks) for row in logs])
        assert [told(each) for each in so_far] == [[each for each in row if each[2] < n] for row in whole]


def test_later_runs_narrow_where_a_step_may_be_and_do_not_move_it() -> None:
    logs = level_series(6, 40, 120)
    logs[:20, 60:] += 0.03
    late = [changes.steps[-1] for changes in find_changes(rows(logs))[:20]]
    at_first = {told: find_changes(rows(logs[:, : told + 1])) for told in {step.told_at for step in late}}
    early = [at_first[step.told_at][row].steps[-1] for row, step in enumerate(late)]
    assert [(step.at, step.told_at) for step in early] == [(step.at, step.told_at) for step in late]
    assert sum(step.earliest <= 60 <= step.latest for step in late) >= 18
    width, width_at_first = (sum(step.latest - step.earliest for step in steps) for steps in (late, early))
    assert width < width_at_first


def test_an_incomplete_night_counts_for_less() -> None:
    """Three nights of one process each, whose scatter explains the shift, are no step; complete ones are."""

    def found(processes: int) -> Changes:
        logs = quiet()
        logs[60:] += 0.03
        shown = [
            SeriesPoint(log_seconds=log, scatter=0.03 if n > 1 else None, processes=n)
            for log, n in zip(logs[:63].tolist(), [20] * 60 + [processes] * 3, strict=True)
        ]
        return find_changes([shown, *rows(OTHERS[:, :63])])[0]

    assert told(found(20)) == [("step", 60, 62)]
    assert told(found(1)) == []


def test_few_runs_tell_nothing() -> None:
    assert find_changes([]) == ()
    assert find_changes([[], []]) == (Changes(), Changes())
    for n in range(1, 8):
        (changes,) = find_changes([points([0.0, 5.0, -5.0, 5.0, 5.0, 5.0, 5.0][:n])])
        assert told(changes) == []
    mixed = find_changes([points([1.0, 2.0]), [], *rows(OTHERS[:3])])
    assert [told(each) for each in mixed] == [[]] * 5


def test_equal_runs_have_a_spread_and_a_step_among_them_is_found() -> None:
    (still,) = find_changes([points([0.5] * 40)])
    assert told(still) == []
    assert still.spread == pytest.approx(2e-4)
    (stepped,) = find_changes([points([0.5] * 40 + [0.51] * 10)])
    assert told(stepped) == [("step", 40, 42)]


def test_enormous_and_tiny_values_give_finite_numbers() -> None:
    random = np.random.default_rng(3)
    with np.errstate(all="raise", under="ignore"):
        found = find_changes([points(random.normal(0, scale, 60)) for scale in (1e-12, 1e-3, 1.0, 700.0)])
    for changes in found:
        assert changes.spread is not None
        assert math.isfinite(changes.spread)
        assert all(level.low <= level.log_seconds <= level.high for level in changes.levels)


def test_a_series_that_began_late_is_judged_by_the_others_of_then() -> None:
    """With positions in the archive a new case has their spread from its first runs on."""
    late = [*quiet()[:12].tolist(), *(quiet()[12:20] + 0.04).tolist()]

    def found(begin: int | None) -> Changes:
        shown = [
            SeriesPoint(
                log_seconds=log, scatter=None, processes=5, position=None if begin is None else begin + at
            )
            for at, log in enumerate(late)
        ]
        return find_changes([shown, *rows(OTHERS)])[0]

    assert told(found(100)) == [("step", 12, 14)]
    assert found(None).steps != found(100).steps or told(found(None)) == [("step", 12, 14)]


def test_an_order_of_series_does_not_matter() -> None:
    logs = level_series(5, 8, 60)
    logs[3, 40:] += 0.04
    found = find_changes(rows(logs))
    assert find_changes(rows(logs[::-1]))[::-1] == found
    assert told(found[3]) == [("step", 40, 42)]


def test_the_last_three_runs_do_not_count_for_the_spread_yet() -> None:
    """They may be the first of a step."""
    logs = quiet()
    before = find_changes([points(logs)])[0].spread
    logs[-3:] += 0.05
    assert find_changes([points(logs)])[0].spread == before


def test_levels_cover_each_run_at_most_once() -> None:
    logs = quiet()
    logs[30:] += 0.05
    logs[80:] -= 0.03
    levels = among_others(logs).levels
    assert [level.first for level in levels] == [0, 30, 80]
    assert all(one.last + 1 == other.first for one, other in pairwise(levels))


def test_looks_at_all_windows_share_out_the_false_alarms() -> None:
    """The union bound: in any 90 runs a window is looked at every so many runs."""
    assert sum(
        chance * RUNS / every for chance, every in zip(chances(), EVERY, strict=True)
    ) == pytest.approx(FALSE_ALARMS)


@pytest.mark.parametrize("freedom", [2.5, 8.0, 40.0, 1e9])
def test_thresholds_are_quantiles_of_students_t_or_a_little_above(freedom: float) -> None:
    from scipy import stats

    levels = thresholds(np.array([freedom]))[0]
    exact = stats.t.isf(np.array([*chances(), 0.001]) / 2, freedom)
    assert (levels >= exact * (1 - 1e-9)).all()
    assert levels == pytest.approx(exact, rel=2e-3)
    assert np.isinf(thresholds(np.array([1.9]))).all()


@pytest.mark.parametrize("runs", [1, 3, 8])
def test_a_mean_of_runs_that_resemble_each_other_is_less_certain(runs: int) -> None:
    """The variance of a mean is the sum of all covariances."""
    covariances = [0.3 ** abs(one - other) for one in range(runs) for other in range(runs)]
    of_these, of_many = autocorrelation.inflation(0.3, np.array([runs]))
    assert of_these == pytest.approx([sum(covariances) / runs])
    assert of_many == pytest.approx(1.3 / 0.7)


def test_how_much_runs_resemble_the_one_before_is_learnt_from_all_series() -> None:
    alike = autocorrelated_series(4, 40, 100, 0.3) + 5.0
    alike -= alike.mean(1, keepdims=True)
    assert autocorrelation.pooled(*autocorrelation.sums(alike)) == pytest.approx(0.3, abs=0.04)
    independent = level_series(4, 40, 100)
    independent -= independent.mean(1, keepdims=True)
    assert autocorrelation.pooled(*autocorrelation.sums(independent)) < 0.02


def test_inverse_trigamma() -> None:
    from scipy.special import polygamma

    for x in (0.1, 1.0, 7.0, 500.0):
        assert inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x)


def test_spread_is_that_of_the_runs_whatever_happens() -> None:
    """Steps, outliers and a drift widen it by less than a fifth."""
    logs = level_series(11, 40, 120)
    plain = [each.spread or 0.0 for each in find_changes(rows(logs))]
    assert np.mean(plain) == pytest.approx(SPREAD, rel=0.03)
    logs[:, 50:] += 0.05
    logs[:, 90:] -= 0.03
    logs[:, [20, 70]] += 0.1
    logs += 0.0003 * np.arange(120)
    changed = [each.spread or 0.0 for each in find_changes(rows(logs))]
    assert np.mean(changed) == pytest.approx(SPREAD, rel=0.2)
