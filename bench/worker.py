"""In the child: a case becomes a record."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import msgspec
import torch

from bench import devices, engines, environment, facts, latency, workloads
from bench.case import Case
from bench.devices.base import Device
from bench.engines.base import Engine
from bench.job import ColdCompile, Finished, Job
from bench.layers import kernels, trace
from bench.layers.measure import measure as measure_layers
from bench.nvml import open_nvml
from bench.precision import outer_context, weight_dtype
from bench.probes import energy
from bench.probes.clocks import ClockMonitor
from bench.probes.contention import ContentionMonitor
from bench.probes.energy_window import EnergyMeter
from bench.record import Gpu, Measurement, Record
from bench.server import stage
from bench.windows import Monitor, Together
from bench.workloads.base import Steps
from bench.workloads.inputs import memory_format
from models.load import load

_NOTHING_COMPILED = "torch.compile compiled nothing: the steps ran eagerly (is TORCHDYNAMO_DISABLE set?)"
_MESSAGE_LIMIT = 200
"""Characters of an error in a warning."""


def measure(argument: bytes) -> bytes:
    """The child's entry: an encoded Job in, an encoded Finished out."""
    job = msgspec.json.decode(argument, type=Job)
    record, first_step_at = run(job, devices.get(job.case.device))
    return msgspec.json.encode(Finished(record=record, first_step_at=first_step_at))


def why_unusable(argument: bytes) -> bytes:
    """Encoded cases in; for each, encoded, the sentence why torch cannot run it here, or null."""
    cases = msgspec.json.decode(argument, type=list[Case])
    return msgspec.json.encode(
        [
            devices.get(case.device).why_unusable(case) or engines.get(case.engine).why_unusable(case)
            for case in cases
        ]
    )


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
    count_casts = _use_cache(job)
    with outer_context(job.case, _device_type(device)):
        _, steps, _ = prepare(job.case, device)
        stage("compiling")
        seconds = facts.first_step(steps, device)
    return msgspec.json.encode(ColdCompile(seconds=seconds, casts=count_casts()))


def run(job: Job, device: Device) -> tuple[Record, float]:
    """Measure a case on a device: latency, memory, FLOPs, contention, and what was in force."""
    case = job.case
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    engine = engines.get(case.engine)
    _use_cache(job)
    baseline = device.memory_baseline()
    with outer_context(case, _device_type(device)):
        module, steps, effective = prepare(case, device)
        first_step_at = time.monotonic()
        stage("first step")
        measured = facts.compile_facts(job, engine, steps, device)
        compiled = engine.observe().get("compiled_graphs", 0)
        uncompiled = _NOTHING_COMPILED if engine.compiles and not compiled else None
        steps = refuse_recompiles(steps, engine)
        stage("timing")
        monitor = monitor_of(case, device)
        timed = latency.measure(steps, device, job.protocol, monitor)
        measured += timed.measurements
        if engine.compiles:
            recompiles = engine.observe()["compiled_graphs"] - compiled
            measured.append(facts.fact("model", "recompiles", recompiles, "count"))
        incomplete: list[str] = []
        meter = EnergyMeter(energy.source(device.uuid(), open_nvml), monitor)
        seconds = job.protocol.energy_seconds
        measured += beside("energy", lambda: meter.measure(steps, device, seconds), incomplete)
        measured += beside("memory", lambda: facts.memory_facts(steps, device, baseline, engine), incomplete)
        measured += beside("ledger", lambda: facts.ledger_facts(steps, device, baseline, engine), incomplete)
        measured += beside("casts", lambda: facts.cast_facts(job, module, steps, device), incomplete)
        if job.layers:
            by_layer = partial(measure_layers, case, module, steps, engine, device, job.protocol)
            measured += beside("layers", by_layer, incomplete)
        if job.trace is not None:
            measured += beside("trace", partial(trace.write, steps, device, job.trace), incomplete)
    measured += beside("counts", lambda: facts.cost_facts(case, module), incomplete)
    invalid = uncompiled or timed.invalid
    gpu = device.gpu()
    record = Record(
        case=case,
        protocol=job.protocol,
        status="invalid" if invalid else "ok",
        reason=invalid,
        measurements=measured,
        environment=msgspec.structs.replace(job.environment, gpu=Gpu(**gpu) if gpu else None),
        effective=effective,
        absent=meter.absent | facts.ledger_absent(device, engine),
        warnings=timed.warnings
        + meter.labels
        + incomplete
        + facts.memory_remarks(device, engine)
        + engine.remarks(case)
        + device.remarks(),
        started_at=started_at,
    )
    return record, first_step_at


def beside(
    name: str, measurements: Callable[[], list[Measurement]], incomplete: list[str]
) -> list[Measurement]:
    """What is measured beside the timing; nothing, and a warning in `incomplete`, where that fails."""
    stage(name)
    try:
        return measurements()
    except Exception as error:  # noqa: BLE001 - of any kind: the timings are taken, and must not be lost
        message = " ".join(str(error).split())[:_MESSAGE_LIMIT]
        incomplete.append(f"incomplete: {name}: {type(error).__name__}: {message}")
        return []


def monitor_of(case: Case, device: Device) -> Monitor:
    """What is watched while a window is timed: the processor's contention, and the clocks of a GPU."""
    monitors: list[Monitor] = [ContentionMonitor(case.threads)]
    uuid = device.uuid()
    if uuid is not None:
        monitors.append(ClockMonitor(open_nvml, uuid))
    return Together(monitors)


def _device_type(device: Device) -> str:
    return torch.device(device.torch_name()).type


def _use_cache(job: Job) -> Callable[[], int]:
    """Point Inductor at this job's own cache before anything is compiled; returns how to ask for the casts
    of weights and inputs in what it then compiles."""
    if job.cache_folder is None:
        return lambda: 0
    from bench.probes import graph_casts

    os.environ["TORCHINDUCTOR_CACHE_DIR"] = job.cache_folder
    os.environ["TRITON_CACHE_DIR"] = os.path.join(job.cache_folder, "triton")  # noqa: PTH118
    if job.layers:
        kernels.show_kernels()
    counter = graph_casts.install()
    return lambda: counter.casts


def prepare(case: Case, device: Device) -> tuple[torch.nn.Module, Steps, dict[str, str]]:
    """The module on its device, the steps of the workload, and the precision read back.

    Sets the process's threads, precision flags and random seed; call it inside `precision.outer_context`.
    """
    stage("building")
    device.prepare(case)
    torch.manual_seed(case.seed)
    where = device.torch_name()
    # Found before a user's file is loaded, whose own package `models` would then stand in ours' place.
    workload = workloads.workloads()[case.workload]
    module = load(case.model, channels=case.channels, image=case.image, classes=case.classes, device=where)
    module = module.to(weight_dtype(case.precision)).to(memory_format=memory_format(case))
    effective = device.read_back() | facts.dtypes_seen(module, case, where)
    return module, workload.prepare(module, case, engines.get(case.engine), where), effective


def refuse_recompiles(steps: Steps, engine: Engine) -> Steps:
    """The same steps, whose check also fails when a graph was compiled since the check before."""
    compiled = engine.observe().get("compiled_graphs", 0)

    def check() -> str | None:
        nonlocal compiled
        before, compiled = compiled, engine.observe().get("compiled_graphs", 0)
        if compiled > before:
            return f"torch.compile compiled {compiled - before} more graphs inside the window"
        return steps.check()

    return replace(steps, check=check)
