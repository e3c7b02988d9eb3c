"""The cases of the quick suite as benchmarks of pytest-benchmark, all in pytest's own process.

    pytest bench/test_networks.py --benchmark-only --benchmark-autosave

The steps, their warm-up and the number of rounds are those of `convbench run`. A round ends when the device
has finished; what has to run before the timed phase runs untimed. What one process cannot show is how much
processes differ: for that there are `convbench compare` and `convbench ab`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bench import devices, engines
from bench.contracts.device import Device
from bench.contracts.steps import Call, Steps
from bench.host import cpu_cores
from bench.plan import expand, feasibility, named_suites
from bench.probes import memory
from bench.pytest_plugin import axes_of_cases, measuring_mode, round_counts
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.phases import Phase
from bench.schema.record import Effective, Measurement
from bench.tensors import case_context
from bench.timing import sampling

if TYPE_CHECKING:
    from torch import nn

    from bench.child.in_force import InForce

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


@dataclass
class Subject:
    """A case that is ready to be measured; `baseline` is the bytes in use before its network existed."""

    case: Case
    device: Device
    module: nn.Module
    steps: Steps
    in_force: InForce
    baseline: int

    def calls(self, phase: Phase) -> tuple[Call, Call]:
        """What has to run untimed before the phase, and the phase itself; both end when the device has."""
        named = dict(self.steps.phases)
        if phase == self.steps.whole_phase:
            earlier, timed = [], self.steps.step
        else:
            order = list(named)
            earlier, timed = [named[name] for name in order[: order.index(phase)]], named[phase]

        def setup() -> None:
            self.steps.setup()
            for call in earlier:
                call()
            self.device.synchronise()

        def target() -> None:
            timed()
            self.device.synchronise()

        return setup, target

    def run(self, phase: Phase) -> None:
        """One round of a phase."""
        for call in self.calls(phase):
            call()

    def check(self) -> None:
        """Raise when what was just timed must not be used."""
        invalid = self.steps.why_invalid()
        if invalid is not None:
            raise RuntimeError(invalid)

    @functools.cached_property
    def effective(self) -> Effective:
        """What was in force, once a first phase was timed."""
        if self.in_force.needs_inference:
            assert self.steps.arguments is not None
            self.in_force.infer(self.steps.arguments)
        return self.in_force.effective()

    @functools.cached_property
    def flops(self) -> dict[str, int]:
        """FLOPs of a batch by phase."""
        from bench.probes import flops

        case = self.case
        assert self.steps.arguments is not None
        forward, backward = flops.step_flops(
            self.module,
            self.steps.arguments,
            training=case.workload == "training",
            classes=case.classes,
        )
        return {"forward": forward, "backward": backward, "step": forward + backward}

    @functools.cached_property
    def memory(self) -> list[Measurement]:
        """The memory pass, taken after the first phase was timed, since autotuning inflates the peak."""
        return memory.memory_pass(self.steps, self.device, self.baseline)


@pytest.fixture(scope="module")
def subject(
    request: pytest.FixtureRequest, full_size: bool, sized: Callable[[Case], Case]
) -> Iterator[Subject]:
    """A case of the suite: built, and warmed up where it is measured."""

    from bench.child import compiling, worker

    cases, protocol = _quick(full_size)
    case = sized(cases[request.param])
    device = devices.get(case.device)
    impossible = feasibility.why_impossible(case) or device.why_unusable(case)
    if impossible:
        pytest.skip(impossible)
    _return_memory()
    with _torch_unchanged(case), case_context(case, device.torch_type()):
        baseline = device.memory_baseline()
        network, steps, in_force, _ = worker.prepare(case, device)
        steps = compiling.refuse_recompiles(steps, engines.get(case.engine))
        ready = Subject(case, device, network.module, steps, in_force, baseline)
        if full_size:
            sampling.warm_up(functools.partial(ready.run, steps.whole_phase), protocol, device.clock)
            steps.why_invalid()  # what happened in the warm-up does not count
        yield ready


def _return_memory() -> None:
    """Give freed memory back to the kernel: kept for reuse, it would hide the peak of what comes next."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone keeps it, and has this
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextlib.contextmanager
def _torch_unchanged(case: Case) -> Iterator[None]:
    """Undo what preparing a case sets for the whole process: other tests find torch as it was."""
    import torch

    threads, matmul = torch.get_num_threads(), torch.get_float32_matmul_precision()
    convolutions, autotuned = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    try:
        with torch.random.fork_rng(devices=[0] if devices.traits(case.device).uses_nvml else []):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = convolutions, autotuned
        torch.set_flush_denormal(False)  # torch's own default; it cannot be asked
        if engines.get(case.engine).compiles:
            # Networks share the code of nn.Sequential: after a few, torch would fall back to eager.
            torch.compiler.reset()


def test_inference(benchmark: Benchmark, subject: Subject, pytestconfig: pytest.Config) -> None:
    _measure(benchmark, subject, "forward", pytestconfig)


def test_training(benchmark: Benchmark, subject: Subject, phase: Phase, pytestconfig: pytest.Config) -> None:
    _measure(benchmark, subject, phase, pytestconfig)


def _measure(benchmark: Benchmark, subject: Subject, phase: Phase, config: pytest.Config) -> None:
    """Time one phase, and say in `extra_info` what it was and what it needed."""
    case, full_size = subject.case, measuring_mode.is_measured(config)
    setup, target = subject.calls(phase)
    rounds = _rounds(subject, phase, config) if full_size else 1
    # The table ranks what stands in one group: only what does the same in the same precision.
    benchmark.params = axes_of_cases.parameters_of(case, phase)
    benchmark.group = f"{case.workload} {phase} {case.precision} {case.layout} b{case.batch}"
    benchmark.pedantic(target, setup=setup, teardown=subject.check, rounds=rounds)
    info = benchmark.extra_info
    info["case"] = msgspec.to_builtins(case)
    info["phase"] = phase
    info["effective"] = {**subject.effective.precision, **subject.effective.machine}
    info["parameters"] = sum(parameter.numel() for parameter in subject.module.parameters())
    info["bytes"] = {
        measured.metric: int(measured.samples[0])
        for measured in subject.memory
        if measured.unit == "bytes" and measured.phase in ("model", phase)
    }
    if phase in subject.flops:
        info["flops"] = subject.flops[phase]
        if benchmark.stats is not None:
            info["flops_per_second"] = subject.flops[phase] / benchmark.stats.stats.median


def _rounds(subject: Subject, phase: Phase, config: pytest.Config) -> int:
    """As many rounds as the suite's protocol takes samples when its target is not reached before."""
    _, protocol = _quick(True)
    durations = []
    for _ in range(3):
        start = subject.device.clock()
        subject.run(phase)
        durations.append(subject.device.clock() - start)
    return round_counts.rounds_of(
        statistics.median(durations), round_counts.protocol_in_force(protocol, config)
    )
