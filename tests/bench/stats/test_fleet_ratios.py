"""A fleet judged by its first run: what is said of each unit, also where much is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.fleet_ratios import MARGIN, FleetRatios, UnitRatio, judge
from tests.planted.simulated_fleet import Array, simulated_fleet

SLOW = math.log1p(0.05)


def measured(
    units: int = 16, *, seed: int = 1, slow: int | None = 3, noise: Array | float = 0.01, own: float = 0.0
) -> Array:
    """Log medians of 12 tests in 3 processes; units differ by 1% and the unit `slow` is 5% slower."""
    rng = np.random.default_rng(seed)
    fleet = simulated_fleet(rng, units, planted=(), noise=noise, own=own)
    logs = fleet.measured(rng, slice(None), 3)
    if slow is not None:
        logs[slow] += SLOW - fleet.ratios[slow]
    return logs


def nodes(units: int) -> list[int]:
    return [unit // 8 for unit in range(units)]


def judged(logs: Array, against: Array | None = None) -> FleetRatios:
    return judge(logs, nodes(len(logs)), against=against)


def test_the_slow_unit_is_the_only_suspect_and_its_interval_holds_what_it_is() -> None:
    found = judged(measured())
    assert found.suspects == (3,)
    unit = found.units[3]
    assert unit.low is not None
    assert unit.high is not None
    assert unit.low < SLOW < unit.high
    assert unit.tests == 12
    assert unit.processes == 3


def test_that_units_differ_is_no_news() -> None:
    found = judged(measured(64, slow=None))
    assert found.suspects == ()
    assert any(unit.low is not None and unit.low > 0 for unit in found.units)


def test_spreads_are_those_of_the_units_and_of_the_processes() -> None:
    found = judged(measured(256, slow=None))
    assert found.over_units == pytest.approx(0.01, rel=0.2)
    assert found.over_processes == pytest.approx(0.01, rel=0.1)
    assert found.over_nodes == pytest.approx(0.01 / math.sqrt(8), rel=0.5)
    assert found.round_scatter is not None
    assert math.sqrt(found.round_scatter.variance) == pytest.approx(0.01 / math.sqrt(12), rel=0.15)


def test_a_unit_that_lacks_tests_is_judged_by_the_others_and_known_less_well() -> None:
    logs = measured(own=0.01)
    whole = judged(logs).units[3]
    logs[3, :6] = np.nan
    found = judged(logs)
    unit = found.units[3]
    assert unit.tests == 6
    assert np.isnan(found.by_test[3, :6]).all()
    assert unit.error is not None
    assert whole.error is not None
    assert unit.error > 1.2 * whole.error
    assert unit.log_ratio == pytest.approx(SLOW, abs=3 * unit.error)


def test_processes_that_are_missing_widen_the_interval() -> None:
    logs = measured()
    whole = judged(logs).units[5]
    logs[5, :, 2] = np.nan
    unit = judged(logs).units[5]
    assert unit.processes == 2
    assert unit.error is not None
    assert whole.error is not None
    assert unit.error > whole.error


def test_a_unit_without_any_record_changes_nothing_for_the_others() -> None:
    logs = measured(17)
    logs[16] = np.nan
    found, without = judged(logs), judged(logs[:16])
    assert found.units[16] == UnitRatio(log_ratio=None, why="no test")
    assert found.units[:16] == without.units


def test_a_test_that_less_than_half_of_the_units_have_does_not_count() -> None:
    logs = measured()
    logs[:9, 0] = np.nan
    found = judged(logs)
    assert found.tests[0].log_centre is None
    assert found.tests[0].weight == 0
    assert found.tests[0].units == 7
    assert found.units[12].tests == 11
    assert sum(test.weight for test in found.tests) == pytest.approx(1)


def test_a_unit_alone_is_its_own_centre_and_not_judged() -> None:
    logs = measured(1, slow=None)
    (unit,) = judged(logs).units
    assert unit == UnitRatio(log_ratio=None, processes=3, why="alone")


def test_a_unit_alone_is_judged_against_a_good_run() -> None:
    logs = measured(1, slow=None)
    found = judged(logs, against=logs[0].mean(1) - SLOW)
    assert found.suspects == (0,)
    assert found.units[0].log_ratio == pytest.approx(SLOW)


def test_of_two_units_each_is_as_far_from_the_centre_as_the_other() -> None:
    logs = measured(2, slow=None)
    logs[1] += 0.2
    found = judged(logs)
    one, other = found.units
    assert one.log_ratio is not None
    assert one.log_ratio == pytest.approx(-(other.log_ratio or 0))
    assert found.suspects == (1,)


def test_units_that_are_all_equal_are_at_the_centre() -> None:
    found = judged(np.ones((8, 12, 3)))
    assert all(unit.log_ratio == 0 and not unit.suspect for unit in found.units)
    assert found.over_units == 0
    assert found.over_processes == 0


def test_where_nothing_scatters_the_slow_unit_stands_out_all_the_same() -> None:
    logs = np.ones((8, 12, 3))
    logs[2] += SLOW
    logs[3] += math.log1p(0.02)
    found = judged(logs)
    assert found.suspects == (2,)
    assert found.units[2].log_ratio == pytest.approx(SLOW)
    assert found.units[2].error is not None
    assert found.units[2].error > 0


def test_a_third_of_the_fleet_may_be_slow_and_the_centre_is_that_of_the_others() -> None:
    logs = measured(48, slow=None)
    logs[:16] += math.log1p(0.10)
    found = judged(logs)
    assert set(found.suspects) == set(range(16))
    healthy = [unit.log_ratio for unit in found.units[16:] if unit.log_ratio is not None]
    assert np.median(healthy) == pytest.approx(0, abs=0.004)


def test_a_noisy_test_does_not_drown_the_others() -> None:
    noise = np.full(12, 0.01)
    without = judged(measured(noise=noise)).units[3]
    noise[0] = 0.2
    found = judged(measured(noise=noise))
    unit = found.units[3]
    assert found.tests[0].weight < 0.02
    assert unit.error is not None
    assert without.error is not None
    assert unit.error < 1.5 * without.error
    assert found.suspects == (3,)


def test_a_quiet_test_is_not_the_whole_ratio() -> None:
    noise = np.full(12, 0.01)
    noise[0] = 1e-5
    found = judged(measured(64, noise=noise))
    assert found.tests[0].weight < 0.3


def test_one_process_of_each_test_does_not_show_how_processes_differ() -> None:
    found = judged(measured()[:, :, :1])
    assert {unit.why for unit in found.units} == {"one process"}
    assert found.suspects == ()
    assert found.round_scatter is None
    assert found.units[3].log_ratio == pytest.approx(SLOW, abs=0.015)


def test_a_unit_of_one_process_borrows_from_the_others() -> None:
    logs = measured()
    logs[3, :, 1:] = np.nan
    found = judged(logs)
    assert found.suspects == (3,)
    assert found.units[3].processes == 1
    other = judged(measured()).units[3].error
    assert found.units[3].error is not None
    assert other is not None
    assert found.units[3].error > 1.3 * other


def test_a_fleet_that_is_slow_as_a_whole_is_seen_against_a_good_run() -> None:
    rng = np.random.default_rng(5)
    fleet = simulated_fleet(rng, 16, planted=(), spread=0.002)
    logs = fleet.measured(rng, slice(None), 3) + SLOW
    assert judged(logs).suspects == ()
    found = judged(logs, against=fleet.tests)
    assert len(found.suspects) == 16
    assert found.shift == pytest.approx(SLOW, abs=0.003)


def test_the_errors_of_a_given_centre_are_in_the_intervals() -> None:
    logs = measured()
    centre = np.median(logs.mean(2), axis=0)
    sure = judge(logs, nodes(16), against=centre)
    unsure = judge(logs, nodes(16), against=centre, against_errors=(np.full(12, 0.02), math.inf))
    assert sure.suspects == (3,)
    assert unsure.centre_error == pytest.approx(0.02)
    assert (unsure.units[3].error or 0) > 1.5 * (sure.units[3].error or 0)


def test_a_given_centre_of_few_units_makes_no_sure_suspects() -> None:
    """Six units at the margin, by the center of two units that differ by 1%: at most in one fleet of 20 is
    any a suspect, as by a center that is known."""
    rng = np.random.default_rng(11)
    false = 0
    for _ in range(200):
        pair = rng.normal(0, 0.01, 2)
        error = math.sqrt(math.pi / 2) * pair.std(ddof=1) / math.sqrt(2)
        logs = math.log1p(MARGIN) + rng.normal(0, 0.002, (6, 1, 4))
        found = judge(
            logs,
            nodes(6),
            against=np.array([pair.mean()]),
            against_errors=(np.array([error]), 1.0),
        )
        false += bool(found.suspects)
    assert false <= 10


def test_a_test_that_the_good_run_lacks_does_not_count() -> None:
    logs = measured()
    centre = np.median(logs.mean(2), axis=0)
    centre[4] = np.nan
    found = judged(logs, against=centre)
    assert found.tests[4].log_centre is None
    assert found.units[0].tests == 11


def test_a_fleet_without_any_time_is_judged_without_a_word() -> None:
    found = judged(np.full((3, 2, 2), np.nan))
    assert {unit.why for unit in found.units} == {"no test"}
    assert found.over_units is None
    assert found.suspects == ()


def test_what_a_round_has_in_common_is_in_the_interval() -> None:
    rng = np.random.default_rng(7)
    apart, together = (
        judge(simulated_fleet(rng, 64, planted=(), shared=shared).measured(rng, slice(None), 3), nodes(64))
        for shared in (0.0, 0.02)
    )
    assert (together.units[0].error or 0) > 3 * (apart.units[0].error or 0)
