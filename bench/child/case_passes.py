"""In the child: what is asked of a case beside its time, in the order in which it is asked.

What only steps comes first, then what watches the operators of a step or copies the network, at last what
builds it anew: a pass that ends the process takes those behind it along.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch

from bench.child import deterministic_step, execution, passes
from bench.child.collected import Collected, Pass
from bench.child.in_force import InForce, inferred
from bench.child.layers import chrome_trace
from bench.child.layers.layer_pass import time_layers
from bench.contracts.device import Device
from bench.contracts.engine import Engine
from bench.contracts.monitor import Monitor
from bench.contracts.steps import Steps
from bench.probes.energy import EnergyMeter
from bench.schema.job import Job
from bench.schema.metrics import LEDGER
from bench.schema.record import Measurement
from bench.tensors import POLICIES
from models.network import Network

GIVEN_UP = "not asked for: the steps were given up, being slower than those of another case"
SIZES = ("weights", "buffers", "inputs")
TRAINING_SIZES = ("gradients", "optimizer_state", "saved_activations")


@dataclass(frozen=True)
class Subject:
    """A case whose steps were timed; `baseline` is the bytes in use before its network existed."""

    job: Job
    device: Device
    engine: Engine
    network: Network
    steps: Steps
    in_force: InForce
    monitor: Monitor
    baseline: int
    collected: Collected

    @property
    def module(self) -> torch.nn.Module:
        """The network's."""
        return self.network.module


def of_steps(subject: Subject) -> tuple[Pass, ...]:
    """What needs steps, and so the context of the case. Of steps that were given up nothing is asked."""
    asked = tuple(_of_steps(subject))
    if not any(measurement.stopped == "worse" for measurement in subject.collected.measurements):
        return asked
    subject.collected.absent |= {metric: GIVEN_UP for each in asked for metric in each.metrics}
    return (_execution(subject),)


def memory(subject: Subject) -> Pass:
    """Sizes by kind, and the peaks of a step."""

    def measure() -> list[Measurement]:
        subject.collected.absent |= passes.peak_absent(subject.device)
        subject.collected.warnings += passes.memory_warnings(subject.device, subject.engine)
        return passes.memory_measurements(subject.steps, subject.device, subject.baseline, subject.engine)

    training = subject.job.case.workload == "training"
    peak = subject.device.traits.peak_metric
    metrics = (*SIZES, *(TRAINING_SIZES if training else ()), *((peak,) if peak else ()))
    return Pass("memory", metrics, measure, is_fact=True)


def of_network(subject: Subject) -> tuple[Pass, ...]:
    """What is counted on copies of the network without data."""
    case, module, arguments = subject.job.case, subject.module, subject.steps.arguments
    assert arguments is not None
    warnings = subject.collected.warnings
    read_back = (inferred(subject.in_force, arguments),) if subject.in_force.needs_inference else ()
    if not subject.job.facts:
        return read_back
    flops = partial(passes.flops_counted, case, module, arguments, warnings)
    moved = partial(passes.bytes_moved, case, module, arguments)
    return (
        Pass("parameters", ("parameters",), partial(passes.parameters, module), is_fact=True),
        *read_back,
        Pass("FLOPs", ("flops",), flops, is_fact=True),
        Pass("bytes moved", ("bytes_moved",), moved, is_fact=True),
    )


def of_new_network(subject: Subject) -> tuple[Pass, ...]:
    """What is done with a network built anew, for which gradients of the timed one make room."""

    def digest() -> list[Measurement]:
        subject.steps.setup()
        subject.collected.step_digest = deterministic_step.digest_step(subject.job.case, subject.device)
        return []

    return (Pass("deterministic step", (), digest),) if subject.job.step_digest else ()


def _of_steps(subject: Subject) -> Iterator[Pass]:
    job, device = subject.job, subject.device
    yield Pass("energy", ("energy",), partial(_energy, subject), "measuring")
    # Memory was taken already where nothing is timed. On an accelerator libraries choose an algorithm in each
    # process, and with it a workspace; a step takes milliseconds there.
    if job.protocol.max_samples and (job.facts or not device.traits.is_host):
        yield memory(subject)
    yield _execution(subject)
    if job.facts:
        yield Pass("ledger", (LEDGER["peak"],), partial(_ledger, subject), is_fact=True)
    if POLICIES[job.case.precision].autocast is not None:
        casts = partial(passes.cast_measurements, job, subject.module, subject.steps, device)
        metrics = ("casts", "cast_time") if job.facts else ("cast_time",)
        yield Pass("casts", metrics, casts, is_fact=job.facts)
    if job.layers:
        yield Pass("layers", ("layer_time",), partial(_layers, subject), "measuring")
    if job.trace is not None:
        yield Pass("trace", ("trace_steps",), partial(chrome_trace.write, subject.steps, device, job.trace))


def _execution(subject: Subject) -> Pass:
    """Whether the steps ran as the row says: after the memory, of which the profiler takes some."""

    def check() -> list[Measurement]:
        engine, steps, found = subject.engine, subject.steps, subject.collected
        found.warnings += execution.settings_changed(subject.in_force.settings)
        found.warnings += execution.scripted(subject.module)
        if not engine.compiles:
            found.warnings += execution.compiled_already(steps)
        elif not found.invalid:
            found.invalid, warnings = execution.how_it_ran(engine, steps)
            found.warnings += warnings
        return []

    return Pass("execution", (), check)


def _energy(subject: Subject) -> list[Measurement]:
    """Energy of a step, or why there is none."""
    meter = EnergyMeter(subject.device.energy_source(), subject.monitor)
    found = meter.measure(subject.steps, subject.device, subject.job.protocol.energy_seconds)
    subject.collected.absent |= meter.absent
    subject.collected.warnings += meter.labels
    return found


def _layers(subject: Subject) -> list[Measurement]:
    """Every layer."""
    job, warnings = subject.job, subject.collected.warnings
    return time_layers(
        job.case, subject.module, subject.steps, subject.engine, subject.device, job.protocol, warnings
    )


def _ledger(subject: Subject) -> list[Measurement]:
    """What the peak is made of, or why nobody can say."""
    subject.collected.absent |= passes.ledger_absent(subject.device, subject.engine)
    found = passes.ledger_measurements(subject.steps, subject.device, subject.baseline, subject.engine)
    subject.collected.absent |= passes.library_workspace_absent(found, subject.device)
    return found
