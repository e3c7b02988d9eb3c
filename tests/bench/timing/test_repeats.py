"""How many steps a sample takes, by arithmetic alone: both the timing and the estimate of a plan ask it."""

from __future__ import annotations

import pytest

from bench.schema.case import MeasurementProtocol
from bench.timing.repeats import Repeats, fewest_samples, repeats_of


@pytest.mark.parametrize(
    ("seconds", "device", "wall", "phases"),
    [(1e-6, 10, 1000, 50), (50e-6, 2, 1000, 50), (1e-3, 1, 50, 10), (0.02, 1, 5, 1), (1.0, 1, 5, 1)],
)
def test_short_steps_are_averaged_and_wall_time_takes_five_at_least(
    seconds: float, device: int, wall: int, phases: int
) -> None:
    found = repeats_of(seconds, seconds, ahead=1)
    assert found["device_time"] == Repeats(device, device, 1)
    assert found["wall_time"] == Repeats(wall, phases)
    assert found["host_time"] == Repeats(1, 1)


def test_a_cold_sample_is_one_step() -> None:
    found = repeats_of(1e-6, 1e-6, ahead=2, alone=True)
    assert {(each.whole, each.phases) for each in found.values()} == {(1, 1)}
    assert found["device_time"].ahead == 2


def test_the_steps_of_a_sample_are_counted_with_those_ahead() -> None:
    assert Repeats(5, 2).steps(phased=False) == 5
    assert Repeats(5, 2).steps(phased=True) == 7
    assert Repeats(1, 1, 1).steps(phased=False) == 2
    assert Repeats(1, 1, 1).steps(phased=True) == 4


def test_long_samples_are_few_but_never_fewer_than_an_interval_needs() -> None:
    protocol = MeasurementProtocol(min_samples=20, sampling_seconds=2)
    assert [fewest_samples(protocol, seconds) for seconds in (0.01, 0.2, 10.0)] == [20, 10, 6]
    few = MeasurementProtocol(min_samples=3, sampling_seconds=2)
    assert fewest_samples(few, 10.0) == 3
