"""In the child: a case becomes a record."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec

from bench import devices, engines, workloads
from bench.child import absences, case_passes, compiling, execution, weights
from bench.child.case_network import load_network
from bench.child.case_passes import Subject
from bench.child.collected import Collected
from bench.child.identity import identity, with_flops
from bench.child.in_force import InForce
from bench.child.network_failures import named_as_the_networks
from bench.child.passes import monitor_of
from bench.child.ranks import backends
from bench.contracts.device import Device
from bench.contracts.engine import Engine
from bench.contracts.monitor import Monitor
from bench.contracts.steps import Steps
from bench.forkserver.failure import free_memory_told
from bench.forkserver.stages import stage
from bench.host import environment
from bench.schema import record
from bench.schema.case import Case
from bench.schema.job import ColdCompile, Job, JobResult, encode
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import Record
from bench.tensors import case_context
from bench.timing import latency
from models import random_state
from models.errors import UserError
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
        return (
            device.why_unusable(case)
            or engine.why_unusable(case, device.traits)
            or (backends.why_absent(device) if case.strategy else None)
        )
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
    with (
        free_memory_told(device.free_memory),
        named_as_the_networks(job.case),
        case_context(job.case, device.torch_type()),
    ):
        network, steps, _, _ = prepare(job.case, device)
        compiling.step_eagerly(job, network, device)  # what it warns of, the other process warns of too
        stage("compiling")
        seconds = compiling.first_step(steps, device)
    return encode(ColdCompile(seconds=seconds, casts=compiled()))


def run(job: Job, device: Device) -> tuple[Record, float]:
    """Measure a case on a device: latency, memory, FLOPs, contention, and what was in force."""
    case = job.case
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    engine = engines.get(case.engine)
    compiling.use_cache(job)
    baseline = device.memory_baseline()
    collected = Collected()
    with named_as_the_networks(case), case_context(case, device.torch_type()) as context:
        with collected.watch.on("building"):
            network, steps, in_force, loaded = prepare(case, device)
        collected.warnings += weights.layout_warnings(network.module, case)
        collected.warnings += execution.of_loading(network)
        context.enter_context(execution.without_compiler(engine))
        first_step_at = time.monotonic()

        def record() -> Record:
            return _record(job, device, engine, in_force, loaded, collected, started_at)

        if engine.compiles:
            with collected.watch.on("compiling"):
                _compile(job, engine, network, steps, device, collected)
        steps = compiling.refuse_recompiles(steps, engine)
        monitor = monitor_of(case, device)
        _time(job, engine, steps, device, monitor, collected)
        subject = Subject(job, device, engine, network, steps, in_force, monitor, baseline, collected)
        if not job.protocol.max_samples:  # then memory is what was asked for, and its failure is the case's
            collected.measurements += collected.measured(case_passes.memory(subject))
        collected.absent |= absences.of_case(job, engine, steps)
        later = (*case_passes.of_network(subject), *case_passes.of_new_network(subject))
        collected.take(case_passes.of_steps(subject), later, record)
    with execution.without_compiler():
        collected.take(later, (), record)
    return record(), first_step_at


def _record(
    job: Job,
    device: Device,
    engine: Engine,
    in_force: InForce,
    loaded: NetworkFingerprint,
    collected: Collected,
    started_at: str,
) -> Record:
    """What is known by now, as it would be if nothing more came."""
    warnings = collected.warnings + engine.warnings(job.case, device.traits) + device.warnings()
    return Record(
        case=job.case,
        protocol=job.protocol,
        status="invalid" if collected.invalid else "ok",
        reason=collected.invalid,
        measurements=collected.measurements,
        environment=msgspec.structs.replace(job.environment, gpu=device.accelerator()),
        gpu_readings=device.accelerator_readings(),
        effective=compiling.with_conv_layout(in_force.effective(), job),
        fingerprint=with_flops(loaded, collected.measurements),
        absent=absences.told_by(warnings, collected.measurements) | collected.absent,
        warnings=warnings,
        step_digest=collected.step_digest,
        facts=job.facts and not collected.lacks_facts,
        started_at=started_at,
        spent=collected.watch.read(),
    )


def _compile(
    job: Job, engine: Engine, network: Network, steps: Steps, device: Device, collected: Collected
) -> None:
    """The first step of a compiling engine, in which it compiles."""
    collected.warnings += compiling.step_eagerly(job, network, device)
    stage("first step")
    collected.measurements += compiling.compile_measurements(job, engine, steps, device)
    collected.warnings += compiling.layout_warnings(job)
    if not engine.observe()["compiled_graphs"]:
        collected.invalid = _NOTHING_COMPILED


def _time(
    job: Job, engine: Engine, steps: Steps, device: Device, monitor: Monitor, collected: Collected
) -> None:
    """Latency of every phase by every clock of the device."""
    stage("timing")
    compiled = engine.observe().get("compiled_graphs", 0)
    with collected.watch.on("measuring"):
        timed = latency.time_steps(steps, device, job.protocol, monitor)
    collected.watch.move(timed.warm_up_seconds, "measuring", "warming-up")
    collected.measurements += timed.measurements
    collected.warnings += timed.warnings
    collected.absent |= timed.absent
    collected.invalid = collected.invalid or timed.invalid
    if engine.compiles:
        recompiles = engine.observe()["compiled_graphs"] - compiled
        collected.measurements.append(record.single("model", "recompiles", recompiles, "count"))


def prepare(case: Case, device: Device) -> tuple[Network, Steps, InForce, NetworkFingerprint]:
    """The network on its device, the steps of the workload, the precision, which a first step completes, and
    what the network was when it was loaded.

    Sets the process's threads, precision flags and random seed; call it inside `precision.outer_context`.
    """
    stage("building")
    device.prepare(case)
    random_state.seed(case.seed)
    where = device.torch_name()
    # Found before a user's file is loaded, whose own package `models` would then stand in ours' place.
    workload = workloads.workloads()[case.workload]
    network = load_network(case, where)
    loaded = identity(network)
    weights.place(network.module, case)
    in_force = InForce(device, network.module, case)
    steps = workload.prepare(network, case, engines.get(case.engine), where)
    if network.inputs is not None and steps.arguments is not None:
        in_force.inputs = steps.arguments.described()
    return network, steps, in_force, loaded
