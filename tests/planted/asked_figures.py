"""Which figures a case has at all, and so why a record lacks one; no torch."""

from __future__ import annotations

from collections.abc import Callable

from bench import devices, engines
from bench.contracts.device import Traits
from bench.schema.case import TIMED, Case
from bench.schema.metrics import GPU_CONDITIONS, METRICS, speakers
from bench.schema.record import Record
from bench.tensors import POLICIES

NOTHING_TIMED = "nothing was timed: memory alone was asked for"
NOT_TRAINED = "of training runs alone (convbench train)"
NO_STEP_TIMED = "a training run and a ceiling time no step of a case"
SAID_ONCE = "of another process of the case, which says it for all"
_COUNTS = {("count", name) for name in ("parameters", "flops", "bytes_moved", "casts")}
NO_LAYERS = "not asked for: convbench layers, or run --layers"


Rule = Callable[[Case, Traits], str | None]
"""Why a case on a device of these traits has no such figure; None where it has one."""


def why_lacking(record: Record, metric: str) -> str | None:
    """The reason why a record has no figure of a metric: what it says itself, or that such a case has none.
    None where nobody knows."""
    said = (record.absent[name] for name in speakers(metric) if name in record.absent)
    return next(said, None) or why_not_asked(record, metric)


def why_not_asked(record: Record, metric: str) -> str | None:
    """Half a sentence where a case of this kind, measured by this protocol, has no such figure."""
    if record.status in ("skipped", "oom", "timeout", "crashed"):
        return record.reason
    case, family = record.case, METRICS[metric].family
    traits = devices.traits(case.device)
    if family == "learning" and case.task is None:
        return NOT_TRAINED
    if case.workload not in TIMED:
        return _why_not_of_run(record, metric)
    if not record.protocol.max_samples and family in ("time", "conditions", "sampling"):
        return NOTHING_TIMED
    if family == "layer":
        return NO_LAYERS
    if family == "compilation" and not engines.get(case.engine).compiles:
        return "of an engine that compiles"
    if not record.facts and is_said_once(metric, traits):
        return SAID_ONCE
    rule = _RULES.get(metric)
    return rule(case, traits) if rule else None


def is_said_once(metric: str, traits: Traits) -> bool:
    """Whether one process of a case has it for all: counts, the ledger, on a host the memory it takes."""
    family = METRICS[metric].family
    return family == "ledger" or (family, metric) in _COUNTS or (family == "memory" and traits.is_host)


def _why_not_of_run(record: Record, metric: str) -> str | None:
    """Of a training run and of a ceiling."""
    case, family = record.case, METRICS[metric].family
    if family == "learning":
        if metric == "time_to_target" and case.task is not None and case.task.target is None:
            return "no target was asked for"
        return None
    if metric == "energy_to_target":
        return "no target was asked for" if case.task is None or case.task.target is None else None
    if metric in ("parameters", "peak_resident", "peak_allocated", "energy") and case.task is not None:
        rule = _RULES.get(metric)
        return rule(case, devices.traits(case.device)) if rule else None
    return NO_STEP_TIMED


def _clock(name: str) -> Rule:
    return lambda case, traits: (
        None if name in traits.clocks else f"{traits.title} has no clock of its own: its wall time says all"
    )


def _of_training(case: Case, traits: Traits) -> str | None:
    return None if case.workload == "training" else "of training alone"


def _under_autocast(case: Case, traits: Traits) -> str | None:
    return None if POLICIES[case.precision].autocast else f"{case.precision} casts nothing: of amp alone"


def _of_host(case: Case, traits: Traits) -> str | None:
    return None if traits.is_host else "of a processor's memory alone"


def _of_allocator(case: Case, traits: Traits) -> str | None:
    return f"{traits.title} has no allocator that counts" if traits.is_host else None


def _of_gpu(case: Case, traits: Traits) -> str | None:
    return None if traits.uses_nvml else "of a GPU that NVML knows"


def _waits_inside(case: Case, traits: Traits) -> str | None:
    return "of amp-fp16 training on a GPU, whose steps wait for the device inside"


_RULES: dict[str, Rule] = {
    **{clock: _clock(clock) for clock in ("device_time", "host_time")},
    "device_idle_share": _waits_inside,
    **dict.fromkeys(("gradients", "optimizer_state", "saved_activations"), _of_training),
    **dict.fromkeys(("casts", "cast_time"), _under_autocast),
    "peak_resident": _of_host,
    **dict.fromkeys(("peak_allocated", "peak_requested", "peak_reserved"), _of_allocator),
    **dict.fromkeys(("driver_other", "allocation_retries"), _of_allocator),
    **dict.fromkeys(GPU_CONDITIONS, _of_gpu),
    "energy_to_target": lambda case, traits: NOT_TRAINED,
    "trace_steps": lambda case, traits: "not asked for: run --trace",
}
"""By metric; of one that is not here every timed case has a figure."""


def unexplained(record: Record) -> list[str]:
    """Metrics that a record lacks without a reason anywhere."""
    present = {measurement.metric for measurement in record.measurements}
    return [name for name in METRICS if name not in present and why_lacking(record, name) is None]
