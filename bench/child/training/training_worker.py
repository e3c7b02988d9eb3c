"""In the child: a training run becomes a record."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch

from bench import datasets, devices, engines
from bench.child import execution, weights
from bench.child.collected import Collected
from bench.child.identity import identity
from bench.child.in_force import InForce, inferred
from bench.child.network_failures import named_as_the_networks
from bench.child.passes import parameters
from bench.child.training import checkpoint
from bench.child.training.divergence import DivergedError, why_diverged_after
from bench.child.training.learner import Learner
from bench.child.training.reporter import Reporter
from bench.contracts.dataset import Dataset
from bench.contracts.device import Device
from bench.contracts.energy_source import EnergySource, NoCounter
from bench.forkserver.failure import free_memory_told
from bench.forkserver.stages import stage
from bench.forkserver.stopwatch import Stopwatch
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.epochs import History, measurements, why_absent, why_no_energy
from bench.schema.job import Job, JobResult, encode
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import Record, Status
from bench.tensors import random_images
from models import catalogue, random_state
from models.errors import UserError
from models.load import load
from models.network import Arguments, Network

EVALUATED = 10_000
"""Training images at most whose accuracy is taken once more in the end: as many as the larger test sets."""
_NOTHING_COMPILED = (
    "torch.compile compiled nothing, so the steps ran eagerly: the batch is larger than the training set, "
    "or TORCHDYNAMO_DISABLE is set"
)
_NOT_COUNTED = "training counts no energy on this device"
_NOT_DETERMINISTIC = re.compile(
    r"(\S+) does not have a deterministic implementation|because it uses (CuBLAS)"
)


def fetch(argument: bytes) -> bytes:
    """Encoded (dataset, data_dir or null) in; why the data are not there, encoded, or null."""
    name, folder = msgspec.json.decode(argument, type=tuple[str, str | None])
    try:
        datasets.get(name).fetch(None if folder is None else Path(folder))
    except UserError as error:
        return msgspec.json.encode(str(error))
    return msgspec.json.encode(None)


def train(argument: bytes) -> bytes:
    """The child's entry: an encoded Job with `training` in, an encoded Finished out."""
    job = msgspec.json.decode(argument, type=Job)
    device = devices.get(job.case.device)
    began, watch = time.monotonic(), Stopwatch()
    with free_memory_told(device.free_memory), watch.on("training"):
        record, first_step_at = run(job, device)
    watch.move(first_step_at - began, "training", "building")
    record = msgspec.structs.replace(record, spent=watch.read())
    return encode(JobResult(record=record, first_step_at=first_step_at))


def run(job: Job, device: Device) -> tuple[Record, float]:
    """Train a case on a device, from its checkpoint if there is one, and say what came of it."""
    case, files = job.case, job.training
    assert case.task is not None
    assert files is not None
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    dataset = datasets.get(case.task.dataset)
    energy = device.energy_source() if device.traits.counts_energy else NoCounter(_NOT_COUNTED)
    baseline = device.memory_baseline()
    with named_as_the_networks(case):
        network, learner, in_force, loaded = _prepare(job, device, dataset)
    first_step_at = time.monotonic()
    stage("training")
    reporter = Reporter(files, case, dataset.learns)
    with named_as_the_networks(case, until=lambda: bool(reporter.history.epochs)):
        epochs = _epochs(job, loaded, learner, device, baseline, reporter, energy.joules)
        status, reason, history = _ending(case, epochs, reporter)
    collected = _dtypes_inferred(case, in_force)
    learned = measurements(history, case.task.target, learns=dataset.learns)
    record = Record(
        case=case,
        protocol=job.protocol,
        status=status,
        reason=reason,
        measurements=[*parameters(network.module), *learned],
        environment=msgspec.structs.replace(job.environment, gpu=device.accelerator()),
        gpu_readings=device.accelerator_readings(),
        effective=in_force.effective(),
        fingerprint=loaded,
        absent=why_absent(history, case.task.target, energy.why_absent, learns=dataset.learns)
        | collected.absent,
        warnings=[
            *_execution_remarks(case, device, network, learner, in_force),
            *_energy_remarks(device, energy, history),
            *reporter.warnings(),
            *collected.warnings,
        ],
        started_at=started_at,
    )
    return record, first_step_at


def _dtypes_inferred(case: Case, in_force: InForce) -> Collected:
    """Of compiled code, which calls no layer that would tell its dtypes."""
    collected = Collected()
    if in_force.needs_inference:
        collected.attempt(inferred(in_force, Arguments((random_images(case, "meta"),))))
    return collected


def _ending(case: Case, epochs: Iterator[History], reporter: Reporter) -> tuple[Status, str | None, History]:
    """Go through the epochs; how that ended, why, and what was learned by then."""
    assert case.task is not None
    history, trained = History(), False
    try:
        with _deterministic(case.task.deterministic), execution.without_compiler(engines.get(case.engine)):
            for number, known in enumerate(epochs):
                history, trained = known, number > 0  # what comes last is no epoch
    except DivergedError as error:
        return "diverged", str(error), reporter.history
    except _NotDeterministicError as error:
        return "invalid", str(error), reporter.history
    if trained and _is_uncompiled(case):
        return "invalid", _NOTHING_COMPILED, history
    return "ok", None, history


def _prepare(
    job: Job, device: Device, dataset: Dataset
) -> tuple[Network, Learner, InForce, NetworkFingerprint]:
    case, files = job.case, job.training
    assert case.task is not None
    assert files is not None
    stage("building")
    if job.cache_folder is not None:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = job.cache_folder
    if case.task.deterministic:  # cuBLAS reads it at its first product; its workspace is in the peak
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    device.prepare(case)
    if case.task.deterministic:  # another algorithm may be chosen in every process
        torch.backends.cudnn.benchmark = False
    random_state.seed(case.learning_seed)
    where = device.torch_name()
    network = load(
        case.model,
        channels=case.channels,
        image=case.image,
        classes=case.classes,
        init=case.task.recipe.init,
        device=where,
    )
    loaded = identity(network)
    module = network.module
    weights.place(module, case)
    in_force = InForce(device, module, case)
    module.train()
    stage("reading the data")
    split = dataset.load(None if files.data_dir is None else Path(files.data_dir))
    forward = engines.get(case.engine).wrap(module, case.tuning)
    return network, Learner(case, device, module, forward, dataset, split), in_force, loaded


def _epochs(
    job: Job,
    loaded: NetworkFingerprint,
    learner: Learner,
    device: Device,
    baseline: int,
    reporter: Reporter,
    joules: Callable[[], float | None],
) -> Iterator[History]:
    """The history after every epoch that is still to do, and once more with what is found in the end."""
    case, files = job.case, job.training
    assert case.task is not None
    assert files is not None
    path = Path(files.checkpoint)
    history = History()
    found = checkpoint.load(path, case, loaded)
    if found is not None and learner.resume(found[1]):
        history = found[0]
        reporter.resumed(history)
    elif catalogue.arch_of(case.model) is not None:  # another's network may remember a pass
        history = History(gradient_norms=learner.gradient_norms())
    for number in range(len(history.epochs) + 1, case.task.recipe.epochs + 1):
        device.reset_peak()
        epoch = learner.epoch(number, reporter.stepping(number), joules)
        peaks = _lower(history.peaks, {name: peak - baseline for name, peak in device.read_peak().items()})
        last = number == case.task.recipe.epochs
        useless = why_diverged_after(epoch, last, case.classes, number * learner.steps_per_epoch)
        if useless:
            raise DivergedError(useless)
        history = msgspec.structs.replace(history, epochs=(*history.epochs, epoch), peaks=peaks)
        reporter.history = history
        checkpoint.save(path, case, history, learner.state(), loaded)
        reporter.finished(epoch)
        yield history
    stage("evaluating")
    yield msgspec.structs.replace(history, final_train_accuracy=learner.train_accuracy(EVALUATED))


def _lower(peaks: Mapping[str, int], again: Mapping[str, int]) -> dict[str, int]:
    """Of each metric the lower peak: all epochs do the same work, but the first one also tries algorithms
    and compiles, in memory of their own."""
    return {name: min(peak, peaks.get(name, peak)) for name, peak in again.items()}


class _NotDeterministicError(Exception):
    """An operator without a deterministic implementation ran although determinism was asked for."""


@contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """torch.use_deterministic_algorithms, whose refusal is made a sentence that names the operator."""
    if not wanted:
        yield
        return
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        found = _NOT_DETERMINISTIC.search(str(error))
        if found is None:
            raise
        raise _NotDeterministicError(
            f"--deterministic: {found[1] or found[2]} has no deterministic implementation on this device"
        ) from error
    finally:
        torch.use_deterministic_algorithms(False)


def _is_uncompiled(case: Case) -> bool:
    engine = engines.get(case.engine)
    return engine.compiles and not engine.observe().get("compiled_graphs", 0)


def _execution_remarks(
    case: Case, device: Device, network: Network, learner: Learner, in_force: InForce
) -> list[CaseWarning]:
    engine = engines.get(case.engine)
    return [
        *weights.layout_warnings(network.module, case),
        *learner.scores.warnings(),
        *engine.warnings(case, device.traits),
        *execution.of_learning(network, in_force, engine),
    ]


def _energy_remarks(device: Device, energy: EnergySource, history: History) -> list[CaseWarning]:
    """A GPU whose energy nobody knows is worth a word; a processor is not."""
    reason = energy.why_absent or why_no_energy(history.epochs)
    return [] if reason is None or not device.traits.counts_energy else [CaseWarning("no-energy", reason)]
