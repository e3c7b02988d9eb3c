"""The cases of the quick suite as benchmarks of pytest-benchmark, all in pytest's own process.

    pytest bench/test_networks.py --benchmark-only --benchmark-autosave

They are sampled as `convbench run` samples: a round ends when the device has finished, and all phases of a
step come from the same steps. What one process cannot show is how much
processes differ: for that there are `convbench compare` and `convbench ab`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench import devices
from bench.host import cpu_cores
from bench.plan import expand, feasibility, named_suites
from bench.pytest_plugin import axes_of_cases, measuring_mode, ready_step, round_counts
from bench.pytest_plugin.ready_step import ReadyStep
from bench.pytest_plugin.timed_phase import timed
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.phases import Phase

pytestmark = pytest.mark.slow

Benchmark = Any  # pytest-benchmark has no types

TRAINING_PHASES = ("forward", "backward", "optimizer", "step")


@functools.cache
def _quick(full_size: bool) -> tuple[dict[str, Case], MeasurementProtocol]:
    """The suite's cases by name, and its protocol.

    A plain `pytest` takes the short list of a machine without a GPU, on whatever device there is: compiling
    every network would take it minutes.
    """
    suite = named_suites.find("quick", devices.auto() if full_size else devices.host().name)
    cases = expand.cases(suite, {}, cpu_cores.usable_cores())
    named = {f"{case.workload}-{_name(case)}": case for case in cases}
    assert len(named) == len(cases), "two cases of the suite have one name"
    return named, suite.protocol


def _name(case: Case) -> str:
    """Readable in a table whose group names the rest: `alexnet-cpu-fp32-eager-b1`."""
    return f"{case.model}-{case.device}-{case.precision}-{case.engine}-b{case.batch}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`test_inference[alexnet-cpu-fp32-eager-b1]`, `test_training[alexnet-cpu-fp32-eager-b2-backward]`."""
    cases, _ = _quick(measuring_mode.is_measured(metafunc.config))
    workload = metafunc.function.__name__.removeprefix("test_")
    chosen = [
        pytest.param(name, id=_name(case), marks=axes_of_cases.marks_of(case))
        for name, case in cases.items()
        if case.workload == workload
    ]
    metafunc.parametrize("subject", chosen, indirect=True, scope="module")
    if "phase" in metafunc.fixturenames:
        metafunc.parametrize("phase", TRAINING_PHASES)


@pytest.fixture(scope="module")
def subject(
    request: pytest.FixtureRequest, full_size: bool, sized: Callable[[Case], Case]
) -> Iterator[ReadyStep]:
    """A case of the suite, built. Its phases come from one pass of steps."""
    cases, _ = _quick(full_size)
    case = sized(cases[request.param])
    impossible = feasibility.why_impossible(case) or devices.get(case.device).why_unusable(case)
    if impossible:
        pytest.skip(impossible)
    with ready_step.of_case(case) as ready:
        yield ready


def test_inference(benchmark: Benchmark, subject: ReadyStep, pytestconfig: pytest.Config) -> None:
    _measure(benchmark, subject, "forward", pytestconfig)


def test_training(
    benchmark: Benchmark, subject: ReadyStep, phase: Phase, pytestconfig: pytest.Config
) -> None:
    _measure(benchmark, subject, phase, pytestconfig)


def _measure(benchmark: Benchmark, subject: ReadyStep, phase: Phase, config: pytest.Config) -> None:
    _, suites = _quick(True)
    measured = measuring_mode.is_measured(config)
    timed(benchmark, subject, phase, round_counts.protocol_in_force(suites, config) if measured else None)
