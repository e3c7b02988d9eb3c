"""In the child: a case becomes a record."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import msgspec
import torch

from bench import devices, engines, workloads
from bench.child import compiling, passes
from bench.child.layers import chrome_trace
from bench.child.layers.layer_pass import time_layers
from bench.child.passes import monitor_of, optional_pass
from bench.contracts.device import Device
from bench.contracts.engine import Engine
from bench.contracts.monitor import Monitor
from bench.contracts.steps import Steps
from bench.forkserver.failure import free_memory_told
from bench.forkserver.stages import stage
from bench.host import environment
from bench.probes.energy import EnergyMeter
from bench.schema import record
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import ColdCompile, Job, JobResult, encode
from bench.schema.record import Effective, Measurement, Record
from bench.tensors import case_context, memory_format, weight_dtype
from bench.timing import latency
from models import random_state
from models.errors import UserError
from models.load import load
from models.network import Network

_NOTHING_COMPILED = "torch.compile compiled nothing: the steps ran eagerly (is TORCHDYNAMO_DISABLE set?)"


def measure_case(argument: bytes) -> bytes:
    """The child's entry: an encoded Job in, an encoded Finished out."""
    job = msgspec.json.decode(argument, type=Job)
    device = devices.get(job.case.device)
    with free_memory_told(device.free_memory):
        record, first_step_at = run(job, device)
    return encode(JobResult(record=record, first_step_at=first_step_at))


def why_unusable(argument: bytes) -> bytes:
    """Encoded cases in; for each, encoded, the sentence why it cannot be run here, or null."""
    cases = msgspec.json.decode(argument, type=list[msgspec.Raw])
    return msgspec.json.encode([_why_unusable(case) for case in cases])


def _why_unusable(encoded: msgspec.Raw) -> str | None:
    """Of one case, which a newer convbench may have sent: with a field or a name that is not known here."""
    try:
        case = msgspec.json.decode(encoded, type=Case)
        device, engine = devices.get(case.device), engines.get(case.engine)
        return device.why_unusable(case) or engine.why_unusable(case, device.traits)
    except msgspec.ValidationError as error:
        return f"its convbench does not know such a case ({error})"
    except UserError as error:
        return str(error)


def describe(argument: bytes) -> bytes:
    """The encoded Environment of this interpreter, which need not be the parent's; nothing goes in."""
    return msgspec.json.encode(environment.describe())


def free_memory(argument: bytes) -> bytes:
    """A device's name in, encoded; the bytes that a process may still take there out."""
    return msgspec.json.encode(devices.get(msgspec.json.decode(argument, type=str)).free_memory())


def compile_cold(argument: bytes) -> bytes:
    """The process with the empty cache: an encoded Job in, an encoded ColdCompile out."""
    job = msgspec.json.decode(argument, type=Job)
    device = devices.get(job.case.device)
    compiled = compiling.use_cache(job)
    with free_memory_told(device.free_memory), case_context(job.case, device.torch_type()):
        network, steps, _ = prepare(job.case, device)
        compiling.step_eagerly(job, network, device)  # what it warns of, the other process warns of too
        stage("compiling")
        seconds = compiling.first_step(steps, device)
    return encode(ColdCompile(seconds=seconds, casts=compiled()))


@dataclass
class _Collected:
    """What a case's process has found so far; `invalid` is the reason why it must not be used."""

    measurements: list[Measurement] = field(default_factory=list)
    warnings: list[CaseWarning] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    invalid: str | None = None


def run(job: Job, device: Device) -> tuple[Record, float]:
    """Measure a case on a device: latency, memory, FLOPs, contention, and what was in force."""
    case = job.case
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    engine = engines.get(case.engine)
    compiling.use_cache(job)
    baseline = device.memory_baseline()
    collected = _Collected()
    with case_context(case, device.torch_type()):
        network, steps, effective = prepare(case, device)
        module = network.module
        first_step_at = time.monotonic()
        if engine.compiles:
            _compile(job, engine, network, steps, device, collected)
        steps = refuse_recompiles(steps, engine)
        monitor = monitor_of(case, device)
        _time(job, engine, steps, device, monitor, collected)
        # A case that was given up is not worth the steps of these.
        if not any(measurement.stopped == "worse" for measurement in collected.measurements):
            collected.measurements += _energy(job, steps, device, monitor, collected)
            collected.measurements += _memory(job, engine, steps, device, baseline, collected)
            casts = partial(passes.cast_measurements, job, module, steps, device)
            collected.measurements += optional_pass("casts", casts, collected.warnings)
            collected.measurements += _layers(job, engine, module, steps, device, collected)
    collected.measurements += _counts(case, module, steps, collected)
    record = Record(
        case=case,
        protocol=job.protocol,
        status="invalid" if collected.invalid else "ok",
        reason=collected.invalid,
        measurements=collected.measurements,
        environment=msgspec.structs.replace(job.environment, gpu=device.accelerator()),
        gpu_readings=device.accelerator_readings(),
        effective=compiling.with_conv_layout(effective, job),
        absent=collected.absent,
        warnings=collected.warnings + engine.warnings(case, device.traits) + device.warnings(),
        started_at=started_at,
    )
    return record, first_step_at


def _compile(
    job: Job, engine: Engine, network: Network, steps: Steps, device: Device, collected: _Collected
) -> None:
    """The first step of a compiling engine, in which it compiles."""
    collected.warnings += compiling.step_eagerly(job, network, device)
    stage("first step")
    collected.measurements += compiling.compile_measurements(job, engine, steps, device)
    collected.warnings += compiling.layout_warnings(job)
    if not engine.observe()["compiled_graphs"]:
        collected.invalid = _NOTHING_COMPILED


def _time(
    job: Job, engine: Engine, steps: Steps, device: Device, monitor: Monitor, collected: _Collected
) -> None:
    """Latency of every phase by every clock of the device."""
    stage("timing")
    compiled = engine.observe().get("compiled_graphs", 0)
    timed = latency.time_steps(steps, device, job.protocol, monitor)
    collected.measurements += timed.measurements
    collected.warnings += timed.warnings
    collected.invalid = collected.invalid or timed.invalid
    if engine.compiles:
        recompiles = engine.observe()["compiled_graphs"] - compiled
        collected.measurements.append(record.single("model", "recompiles", recompiles, "count"))


def _energy(
    job: Job, steps: Steps, device: Device, monitor: Monitor, collected: _Collected
) -> list[Measurement]:
    """Energy of a step, or why there is none."""
    meter = EnergyMeter(device.energy_source(), monitor)
    seconds = job.protocol.energy_seconds
    found = optional_pass("energy", lambda: meter.measure(steps, device, seconds), collected.warnings)
    collected.absent |= meter.absent
    collected.warnings += meter.labels
    return found


def _memory(
    job: Job, engine: Engine, steps: Steps, device: Device, baseline: int, collected: _Collected
) -> list[Measurement]:
    """Sizes, peaks, and the ledger at the instant of the peak. Where nothing is timed the sizes and peaks are
    what was asked for, and their failure is the case's."""
    if job.protocol.max_samples:
        found = optional_pass(
            "memory", lambda: passes.memory_measurements(steps, device, baseline, engine), collected.warnings
        )
    else:
        stage("memory")
        found = passes.memory_measurements(steps, device, baseline, engine)
    found += optional_pass(
        "ledger", lambda: passes.ledger_measurements(steps, device, baseline, engine), collected.warnings
    )
    collected.absent |= passes.peak_absent(device) | passes.ledger_absent(device, engine)
    collected.warnings += passes.memory_warnings(device, engine)
    return found


def _layers(
    job: Job, engine: Engine, module: torch.nn.Module, steps: Steps, device: Device, collected: _Collected
) -> list[Measurement]:
    """Every layer, and a trace, where they are asked for."""
    found = []
    if job.layers:
        by_layer = partial(time_layers, job.case, module, steps, engine, device, job.protocol)
        found += optional_pass("layers", by_layer, collected.warnings)
    if job.trace is not None:
        found += optional_pass(
            "trace", partial(chrome_trace.write, steps, device, job.trace), collected.warnings
        )
    return found


def _counts(case: Case, module: torch.nn.Module, steps: Steps, collected: _Collected) -> list[Measurement]:
    """Parameters, FLOPs and bytes of a step."""
    assert steps.arguments is not None
    counts = partial(passes.cost_measurements, case, module, steps.arguments)
    return optional_pass("counts", counts, collected.warnings)


def prepare(case: Case, device: Device) -> tuple[Network, Steps, Effective]:
    """The network on its device, the steps of the workload, and the precision read back.

    Sets the process's threads, precision flags and random seed; call it inside `precision.outer_context`.
    """
    stage("building")
    device.prepare(case)
    random_state.seed(case.seed)
    where = device.torch_name()
    # Found before a user's file is loaded, whose own package `models` would then stand in ours' place.
    workload = workloads.workloads()[case.workload]
    network = load(case.model, channels=case.channels, image=case.image, classes=case.classes, device=where)
    network.module.to(weight_dtype(case.precision)).to(memory_format=memory_format(case))
    effective = passes.read_back(device, network, case)
    return network, workload.prepare(network, case, engines.get(case.engine), where), effective


def refuse_recompiles(steps: Steps, engine: Engine) -> Steps:
    """The same steps, whose check also fails when a graph was compiled since the check before."""
    compiled = engine.observe().get("compiled_graphs", 0)

    def why_invalid() -> str | None:
        nonlocal compiled
        before, compiled = compiled, engine.observe().get("compiled_graphs", 0)
        if compiled > before:
            return f"torch.compile compiled {compiled - before} more graphs inside the window"
        return steps.why_invalid()

    return replace(steps, why_invalid=why_invalid)
