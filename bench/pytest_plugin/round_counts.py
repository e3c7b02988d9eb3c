"""Which options of pytest-benchmark act on convbench's sampler, and which do nothing.

`--benchmark-max-time`, `--benchmark-min-rounds` and `--benchmark-precision` (of the median) take the place of
the protocol's numbers; those that calibrate, warm up or choose a clock do nothing: the sampler does that.
"""

from __future__ import annotations

import os

import pytest
from msgspec import structs

from bench.schema.case import MeasurementProtocol

_DEFAULTS = {
    "max_time": "1.0",
    "min_rounds": 5,
    "warmup_iterations": 100000,
    "min_time": "0.000005",
    "precision": None,
    "calibration_precision": 10,
    "timer": "time.perf_counter",
}
"""Of pytest-benchmark."""
_WITHOUT_EFFECT = ("warmup_iterations", "min_time", "calibration_precision", "timer")
_SWITCHES = ("warmup", "disable_gc")


def protocol_in_force(protocol: MeasurementProtocol, config: pytest.Config) -> MeasurementProtocol:
    """The suite's protocol with what was given on pytest's command line."""
    if (rounds := _given(config, "min_rounds")) is not None:
        few = int(str(rounds))
        protocol = structs.replace(
            protocol, min_samples=few, fewest_samples=few, max_samples=max(few, protocol.max_samples)
        )
    if (seconds := _given(config, "max_time")) is not None:
        protocol = structs.replace(protocol, sampling_seconds=float(str(seconds)))
    if (share := _given(config, "precision")) is not None:
        protocol = structs.replace(protocol, target_ci=float(str(share)))
    return protocol


def without_effect(config: pytest.Config) -> list[str]:
    """The options that were given and do nothing, as they are typed."""
    given = [name for name in _WITHOUT_EFFECT if _given(config, name) is not None]
    given += [name for name in _SWITCHES if config.getoption(f"benchmark_{name}", None) is True]
    return [f"--benchmark-{name.replace('_', '-')}" for name in given]


def _given(config: pytest.Config, name: str) -> object:
    """The option's value; None where it is the default, unless that was typed."""
    value: object = config.getoption(f"benchmark_{name}", None)
    is_usual = value is None or str(value) == str(_DEFAULTS[name])
    return None if is_usual and not is_typed(config, f"--benchmark-{name.replace('_', '-')}") else value


def is_typed(config: pytest.Config, option: str) -> bool:
    """Whether the option is on the command line, in the settings or in PYTEST_ADDOPTS."""
    variable = os.environ.get("PYTEST_ADDOPTS", "").split()
    words = [*config.invocation_params.args, *config.getini("addopts"), *variable]
    return any(str(word).partition("=")[0] == option for word in words)
