"""How many rounds pytest-benchmark makes of a step: as many as `convbench run` takes samples.

`--benchmark-max-time` and `--benchmark-min-rounds` take the place of the protocol's numbers; options of
pytest-benchmark that calibrate or warm up do nothing, since the steps are warm and each round is one step.
"""

from __future__ import annotations

import math

import pytest
from msgspec import structs

from bench.schema.case import MeasurementProtocol
from bench.timing.repeats import enough_samples

_DEFAULTS = {"max_time": "1.0", "min_rounds": 5, "warmup_iterations": 100000, "min_time": "0.000005"}
"""Of pytest-benchmark: an option that has its default was not given."""
_WITHOUT_EFFECT = ("warmup_iterations", "min_time")


def protocol_in_force(protocol: MeasurementProtocol, config: pytest.Config) -> MeasurementProtocol:
    """The suite's protocol with what was given on pytest's command line."""
    if (rounds := _given(config, "min_rounds")) is not None:
        few = int(str(rounds))
        protocol = structs.replace(
            protocol, min_samples=few, fewest_samples=few, max_samples=max(few, protocol.max_samples)
        )
    if (seconds := _given(config, "max_time")) is not None:
        protocol = structs.replace(protocol, sampling_seconds=float(str(seconds)))
    return protocol


def rounds_of(seconds: float, protocol: MeasurementProtocol) -> int:
    """How many rounds of a step that takes so long."""
    wanted = math.ceil(protocol.sampling_seconds / seconds)
    return max(enough_samples(protocol, seconds), min(protocol.max_samples, wanted))


def without_effect(config: pytest.Config) -> list[str]:
    """The options that were given and do nothing, as they are typed."""
    given = [name for name in _WITHOUT_EFFECT if _given(config, name) is not None]
    if config.getoption("benchmark_warmup", None) is True:
        given.append("warmup")
    return [f"--benchmark-{name.replace('_', '-')}" for name in given]


def _given(config: pytest.Config, name: str) -> object:
    value: object = config.getoption(f"benchmark_{name}", None)
    return None if value is None or str(value) == str(_DEFAULTS[name]) else value
