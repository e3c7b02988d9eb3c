"""How often a step is timed under pytest-benchmark."""

from __future__ import annotations

import pytest

from bench.pytest_plugin.round_counts import protocol_in_force, rounds_of, without_effect
from bench.schema.case import MeasurementProtocol
from tests.planted.pytest_options import config_with

PROTOCOL = MeasurementProtocol(
    min_samples=20, fewest_samples=3, max_samples=2000, sampling_seconds=0.6, warmup_seconds=0.3
)


@pytest.mark.parametrize(("seconds", "rounds"), [(1.7, 3), (0.2, 4), (0.010, 60), (0.0001, 2000)])
def test_rounds_are_the_samples_of_a_run(seconds: float, rounds: int) -> None:
    """Of slow steps few, of fast ones as many as the protocol's seconds hold."""
    assert rounds_of(seconds, PROTOCOL) == rounds


def test_options_that_were_not_given_leave_the_protocol() -> None:
    assert protocol_in_force(PROTOCOL, config_with()) == PROTOCOL


def test_max_time_and_min_rounds_act() -> None:
    quick = protocol_in_force(PROTOCOL, config_with(max_time="0.1", min_rounds=2))
    assert rounds_of(0.010, quick) == 10
    assert rounds_of(1.7, quick) == 2
    many = protocol_in_force(PROTOCOL, config_with(min_rounds=3000))
    assert rounds_of(0.010, many) == 3000


def test_options_that_do_nothing_are_named() -> None:
    assert without_effect(config_with()) == []
    given = config_with(warmup=True, warmup_iterations=10)
    assert without_effect(given) == ["--benchmark-warmup-iterations", "--benchmark-warmup"]
