"""The cases of the quick suite as benchmarks of pytest-benchmark, all in pytest's own process.

    pytest bench/test_networks.py --benchmark-only --benchmark-autosave

They are sampled as `convbench run` samples: a round ends when the device has finished, and all phases of a
step come from the same steps. What one process cannot show is how much processes differ: for that there are
`convbench compare` and `convbench ab`.
"""

from __future__ import annotations

import functools

import pytest

from bench import devices
from bench.host import cpu_cores
from bench.plan import expand, named_suites
from bench.pytest_plugin import axes_of_cases, measuring_mode
from bench.pytest_plugin.convbench_fixture import Convbench
from bench.schema.case import Case

pytestmark = pytest.mark.slow

AXES = ("model", "device", "precision", "engine", "batch")
"""In which the cases of a workload differ; they name a benchmark, and group it."""
TRAINING_PHASES = ("forward", "backward", "optimizer", "step")


@functools.cache
def quick(full_size: bool) -> list[Case]:
    """The suite's cases.

    A plain `pytest` takes the short list of a machine without a GPU, on whatever device there is: compiling
    every network would take it minutes.
    """
    suite = named_suites.find("quick", devices.auto() if full_size else devices.host().name)
    return expand.cases(suite, {}, cpu_cores.usable_cores())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`test_inference[alexnet-cpu-fp32-eager-b1]`, `test_training[alexnet-cpu-fp32-eager-b2-backward]`."""
    workload = metafunc.function.__name__.removeprefix("test_")
    chosen = [
        pytest.param(
            *(getattr(case, axis) for axis in AXES),
            id=f"{case.model}-{case.device}-{case.precision}-{case.engine}-b{case.batch}",
            marks=axes_of_cases.marks_of(case),
        )
        for case in quick(measuring_mode.is_measured(metafunc.config))
        if case.workload == workload
    ]
    metafunc.parametrize(AXES, chosen, scope="module")
    if "phase" in metafunc.fixturenames:
        metafunc.parametrize("phase", TRAINING_PHASES)


def test_inference(
    convbench: Convbench, model: str, device: str, precision: str, engine: str, batch: int
) -> None:
    convbench(model, device=device, precision=precision, engine=engine, batch=batch)


def test_training(
    convbench: Convbench, model: str, device: str, precision: str, engine: str, batch: int, phase: str
) -> None:
    convbench(
        model,
        workload="training",
        device=device,
        precision=precision,
        engine=engine,
        batch=batch,
        phase=phase,
    )
