"""How many steps a sample takes, by arithmetic alone: both the timing and the estimate of a plan ask it."""

from __future__ import annotations

import math

import pytest

from bench.schema.case import MeasurementProtocol
from bench.timing.repeats import Repeats, enough_on_queue, enough_samples, repeats_of


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
    assert [enough_on_queue(protocol, seconds) for seconds in (0.01, 0.2, 10.0)] == [20, 10, 6]
    few = MeasurementProtocol(min_samples=3, sampling_seconds=2)
    assert enough_on_queue(few, 10.0) == 3


SLOW_TAKE_FEW = MeasurementProtocol(fewest_samples=3, sampling_seconds=0.6)
BY_STEP = [
    (1.7, 3),
    (0.8, 3),
    (0.5, 3),
    (0.2, 4),
    (0.1, 5),
    (0.015, 12),
    (0.005, 20),
    (0.0002, 20),
    (0.0, 20),
]
"""Seconds of a step, and the samples that two processes of them cost least for their interval."""


@pytest.mark.parametrize(("seconds", "samples"), BY_STEP)
def test_slow_steps_need_few_samples_where_the_protocol_says_so(seconds: float, samples: int) -> None:
    assert enough_samples(SLOW_TAKE_FEW, seconds) == samples
    assert enough_samples(MeasurementProtocol(), seconds) == 20


def test_the_fewest_samples_are_a_floor_and_the_usual_ones_a_ceiling() -> None:
    assert enough_samples(MeasurementProtocol(fewest_samples=6), 10.0) == 6
    assert enough_samples(MeasurementProtocol(fewest_samples=3, min_samples=5), 0.001) == 5


@pytest.mark.parametrize(("seconds", "samples"), [(10.0, 3), (0.2, 4), (0.05, 7), (0.01, 14), (0.001, 20)])
def test_on_a_queue_the_sample_counts_and_not_the_step(seconds: float, samples: int) -> None:
    """A sample of 50 ms holds many steps: seven of them are enough."""
    assert enough_on_queue(SLOW_TAKE_FEW, seconds) == samples


@pytest.mark.parametrize(
    ("seconds", "most"), [(1.7, 1.01), (0.2, 1.01), (0.1, 1.01), (0.015, 1.01), (0.001, 1.07)]
)
def test_no_other_number_of_samples_gives_a_much_narrower_interval_in_the_same_time(
    seconds: float, most: float
) -> None:
    """Seconds x variance of a figure, over every number of samples: 1 s and four steps a process, and samples
    that scatter by twice the variance of processes."""

    def width(samples: int) -> float:
        return math.sqrt((1.0 + (4 + samples) * seconds) * (1 + 2 / samples))

    best = min(map(width, range(1, 500)))
    assert width(enough_samples(SLOW_TAKE_FEW, seconds)) <= most * best
