"""A step that is built and can be timed: of a named network, or of a module of the test's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bench import devices, engines
from bench.contracts.device import Device
from bench.contracts.steps import Call, Steps
from bench.plan import feasibility
from bench.probes import memory
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.phases import Phase
from bench.schema.record import Measurement
from bench.tensors import case_context
from bench.timing import latency
from bench.timing.latency import Latency
from models.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from bench.child.live_steps import LiveModule


@dataclass
class ReadyStep:
    """What is timed, phase by phase.

    baseline    bytes in use before the network existed, or, of a module that existed, before its step
    parameters  how many the network has
    count       FLOPs of a batch by phase; empty where they cannot be counted
    read_back   what was in force: precision, threads
    apart       sizes and peaks that a process of its own found
    """

    case: Case
    device: Device
    steps: Steps
    baseline: int
    parameters: int
    count: Callable[[], dict[str, int]]
    read_back: Callable[[], dict[str, str]]
    apart: list[Measurement] | None = None
    _taken: Latency | None = None
    _told: set[Phase] = field(default_factory=set)

    def timed(self, phase: Phase, protocol: MeasurementProtocol) -> Latency:
        """What the sampler of `convbench run` finds: warmed up, each phase by each clock, watched meanwhile.

        All phases come from one pass of steps; whoever asks for one again gets another pass. Raises
        RuntimeError when what was timed must not be used.
        """
        from bench.child.passes import monitor_of

        if self._taken is None or phase in self._told:
            monitor = monitor_of(self.case, self.device)
            self._taken = latency.time_steps(self.steps, self.device, protocol, monitor)
            self._told.clear()
        self._told.add(phase)
        if self._taken.invalid is not None:
            raise RuntimeError(self._taken.invalid)
        return self._taken

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
        """Raise RuntimeError when what was just timed must not be used."""
        invalid = self.steps.why_invalid()
        if invalid is not None:
            raise RuntimeError(invalid)

    @functools.cached_property
    def flops(self) -> dict[str, int]:
        """FLOPs of a batch by phase."""
        return self.count()

    @functools.cached_property
    def memory(self) -> list[Measurement]:
        """Of a process of its own, where one measured it; else the memory pass: take it after a phase was
        timed, since autotuning inflates the peak."""
        if self.apart is not None:
            return self.apart
        return memory.memory_pass(self.steps, self.device, self.baseline)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that can be timed, the whole step last."""
        return tuple(dict.fromkeys([name for name, _ in self.steps.phases] + [self.steps.whole_phase]))


@contextmanager
def in_force(case: Case) -> Iterator[None]:
    """Inside: the threads, flags and modes of a case. torch's settings are afterwards what they were.

    Raises UserError for a case that contradicts itself; skips the test where this machine cannot run it.
    """
    from bench.pytest_plugin.torch_settings import torch_unchanged

    device, engine = devices.get(case.device), engines.get(case.engine)
    impossible = feasibility.why_impossible(case)
    if impossible:
        raise UserError(impossible)
    not_here = device.why_unusable(case) or engine.why_unusable(case, device.traits)
    if not_here:
        pytest.skip(not_here)
    with torch_unchanged(case), case_context(case, device.torch_type()):
        device.prepare(case)
        yield


def of_case(case: Case) -> ReadyStep:
    """A network by its name, its weights and inputs random; call and use it where the case is `in_force`."""
    from bench.child import compiling, worker

    device = devices.get(case.device)
    baseline = device.memory_baseline()
    network, steps, told, _ = worker.prepare(case, device)

    def read_back() -> dict[str, str]:
        if told.needs_inference:
            assert steps.arguments is not None
            told.infer(steps.arguments)
        found = told.effective()
        return {**found.precision, **found.machine}

    return ReadyStep(
        case=case,
        device=device,
        steps=compiling.refuse_recompiles(steps, engines.get(case.engine)),
        baseline=baseline,
        parameters=sum(each.numel() for each in network.module.parameters()),
        count=lambda: _flops(network.module, steps, case),
        read_back=functools.cache(read_back),
    )


@contextmanager
def of_module(live: LiveModule) -> Iterator[ReadyStep]:
    """A module of the test's own, afterwards as it was. Raises UserError where it cannot be measured."""
    from bench.child import live_module
    from bench.child.weights import dtypes

    with live_module.ready(live) as (case, device, steps):

        def read_back() -> dict[str, str]:
            return {**device.read_back().precision, "weights": dtypes(live.module)}

        yield ReadyStep(
            case=case,
            device=device,
            steps=steps,
            baseline=device.memory_baseline(),
            parameters=sum(each.numel() for each in live.module.parameters()),
            count=lambda: _live_flops(live),
            read_back=read_back,
        )


def _flops(module: nn.Module, steps: Steps, case: Case) -> dict[str, int]:
    from bench.probes import flops

    assert steps.arguments is not None
    training = case.workload == "training"
    forward, backward = flops.step_flops(module, steps.arguments, training=training, classes=case.classes)
    return {"forward": forward, "backward": backward, "step": forward + backward}


def _live_flops(live: LiveModule) -> dict[str, int]:
    """Of the forward pass: what the backward pass does depends on a loss of the test's own."""
    from bench.probes import flops
    from models.network import Arguments

    given = Arguments(live.arguments, live.keywords)
    try:
        forward, _ = flops.step_flops(live.module, given, training=False, classes=0)
    except Exception:  # noqa: BLE001 - a count is not worth a test's failure, whatever the module raises
        return {}
    return {"forward": forward}
