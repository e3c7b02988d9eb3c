"""A point is what a report says of the same processes, and how surely it is known."""

from __future__ import annotations

import math
import statistics

import pytest

from bench.archive.run_point import point_of
from bench.stats.levels import levels

A1, A2, B1 = (0, 0), (0, 1), (1, 2)
"""Two GPUs of one node, and one of another."""


def test_of_one_machine_it_is_the_mean_of_the_logs() -> None:
    seconds = (0.1, 0.13, 0.12)
    logs = list(map(math.log, seconds))
    point = point_of(seconds, ())
    assert (point.processes, point.units) == (3, 1)
    assert point.mean == pytest.approx(statistics.mean(logs))
    assert point.scatter == pytest.approx(statistics.stdev(logs))
    assert point_of((0.1,), ())[1:] == (None, 1, 1)
    assert point_of((), ()) == (None, None, 0, 0)


@pytest.mark.parametrize(
    "units", [[A1] * 4 + [B1], [A1, A1, A2, B1, B1], [A1, A1, A2, A2, A2], [A1, A2, A2, A2, B1]]
)
def test_of_several_it_is_the_mean_of_their_nodes(units: list[tuple[int, int]]) -> None:
    seconds = [0.1, 0.12, 0.15, 0.2, 0.23]
    whole = levels(seconds, units, [node for node, _ in units])
    point = point_of(seconds, units)
    assert whole is not None
    assert point.mean == pytest.approx(math.log(whole.value))
    assert (point.processes, point.units) == (5, whole.units)


def test_its_standard_error_is_of_the_processes_of_one_machine() -> None:
    """Four processes of one node weigh 1/8 each, the only one of the other 1/2: their squares sum to 5/16."""
    seconds, units = [0.1, 0.12, 0.15, 0.2, 0.9], [A1] * 4 + [B1]
    point = point_of(seconds, units)
    own = statistics.stdev(map(math.log, seconds[:4]))
    assert point.scatter is not None
    assert point.scatter / math.sqrt(5) == pytest.approx(own * math.sqrt(5 / 16))
    balanced = point_of([0.1, 0.11, 0.5, 0.55], [A1, A1, B1, B1])
    assert balanced.scatter == pytest.approx(math.log(1.1) / math.sqrt(2))
    assert point_of([0.1, 0.5], [A1, B1]).scatter is None


def test_a_time_without_a_log_is_left_out() -> None:
    assert point_of((0.1, 0.0, math.inf), ())[1:] == (None, 1, 1)
