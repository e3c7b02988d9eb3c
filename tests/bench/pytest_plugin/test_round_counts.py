"""How often a step is timed under pytest-benchmark."""

from __future__ import annotations

from bench.pytest_plugin.round_counts import protocol_in_force, without_effect
from bench.schema.case import MeasurementProtocol
from tests.planted.pytest_options import config_with

PROTOCOL = MeasurementProtocol(
    min_samples=20, fewest_samples=3, max_samples=2000, sampling_seconds=0.6, warmup_seconds=0.3
)


def test_options_that_were_not_given_leave_the_protocol() -> None:
    assert protocol_in_force(PROTOCOL, config_with()) == PROTOCOL


def test_options_that_were_given_act() -> None:
    quick = protocol_in_force(PROTOCOL, config_with(max_time="0.1", min_rounds=2, precision=0.05))
    assert (quick.sampling_seconds, quick.target_ci) == (0.1, 0.05)
    assert (quick.min_samples, quick.fewest_samples, quick.max_samples) == (2, 2, 2000)
    assert protocol_in_force(PROTOCOL, config_with(min_rounds=3000)).max_samples == 3000


def test_options_that_do_nothing_are_named() -> None:
    assert without_effect(config_with()) == []
    given = config_with(warmup=True, warmup_iterations=10, timer="time.monotonic", disable_gc=True)
    named = ("warmup-iterations", "timer", "warmup", "disable-gc")
    assert without_effect(given) == [f"--benchmark-{name}" for name in named]


def test_a_default_that_was_typed_acts() -> None:
    assert protocol_in_force(PROTOCOL, config_with(typed=["min-rounds=5"])).fewest_samples == 5
