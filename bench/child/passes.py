"""In the child, beside the timing: what was read off the module and its steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bench import engines
from bench.contracts.device import Device
from bench.contracts.engine import Engine
from bench.contracts.monitor import Monitor, Monitors
from bench.contracts.steps import Steps
from bench.probes import casting, ledger, memory, traffic
from bench.probes.operator_work import WorkPhase
from bench.probes.step_work import step_work
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Job
from bench.schema.metrics import LEDGER
from bench.schema.record import Measurement, single
from bench.tensors import POLICIES
from models.blocks import is_block
from models.network import Arguments


def memory_measurements(steps: Steps, device: Device, baseline: int, engine: Engine) -> list[Measurement]:
    """Sizes by kind and the peaks of a step."""
    replays = engine.replays_graphs and device.queue() is not None
    return memory.memory_pass(steps, device, baseline, replays)


def ledger_measurements(steps: Steps, device: Device, baseline: int, engine: Engine) -> list[Measurement]:
    """Whose bytes the peak is made of; nothing where the operators of a step cannot be seen."""
    if _why_no_ledger(engine):
        return []
    found = ledger.peak_ledger(steps, device, baseline)
    if not found:
        raise RuntimeError("a step ran no operator that torch knows of")
    return found


def peak_absent(device: Device) -> dict[str, str]:
    """Why no peak was measured, where the device knows none: metric -> sentence."""
    if device.traits.peak_metric:
        return {}
    return {"peak_allocated": f"{device.traits.title} does not say what was allocated at most"}


def library_workspace_absent(found: Sequence[Measurement], device: Device) -> dict[str, str]:
    """Why nobody knows what libraries keep, where the allocator counts the rest: metric -> sentence."""
    metrics = {measurement.metric for measurement in found}
    if LEDGER["peak"] not in metrics or not ledger.allocator_counts(device):
        return {}
    return {
        LEDGER[kind]: f"{device.traits.title} does not say it"
        for kind in ("library_workspace", "rounding")
        if LEDGER[kind] not in metrics
    }


def ledger_absent(device: Device, engine: Engine) -> dict[str, str]:
    """Why the ledger, or a part of it, is not there: metric -> sentence."""
    reason = _why_no_ledger(engine)
    if reason is not None:
        return {LEDGER["peak"]: reason}
    if ledger.allocator_counts(device):
        return {}
    whose = "a CPU" if device.traits.is_host else device.traits.title
    return {LEDGER["workspace"]: f"the allocator of {whose} does not say what an operator takes for itself"}


def _why_no_ledger(engine: Engine) -> str | None:
    if engine.compiles:
        return "torch does not see the single operators of compiled code"
    if engine.replays_graphs:
        return "the replay of a CUDA graph runs no operator of torch"
    return None


def memory_warnings(device: Device, engine: Engine) -> list[CaseWarning]:
    """What the memory figures lack, as warnings."""
    if not engine.replays_graphs or device.queue() is None:
        return []
    return [
        CaseWarning("no-peak", "replaying a CUDA graph allocates nothing: only the reserved peak is known")
    ]


def cast_measurements(job: Job, module: torch.nn.Module, steps: Steps, device: Device) -> list[Measurement]:
    """What casting all weights once costs, and, of a process that is asked, casts a step; only under
    autocast."""
    name = POLICIES[job.case.precision].autocast
    if name is None:
        return []
    found = [single("model", "cast_time", casting.cast_seconds(module, getattr(torch, name), device), "s")]
    if not job.facts:
        return found
    if job.cold is not None:
        found.append(single(steps.whole_phase, "casts", job.cold.casts, "count"))
    elif not engines.get(job.case.engine).compiles and job.case.engine == "eager":
        steps.setup()
        found.append(single(steps.whole_phase, "casts", casting.count_eager_casts(steps.step), "count"))
    return found


def parameters(module: torch.nn.Module) -> list[Measurement]:
    """How many parameters there are, each counted once."""
    return [single("model", "parameters", sum(p.numel() for p in module.parameters()), "count")]


def flops_counted(
    case: Case, module: torch.nn.Module, arguments: Arguments, warnings: list[CaseWarning]
) -> list[Measurement]:
    """FLOPs of a step by phase, counted on a copy without data; raises what the module does.

    `warnings` are told what the figures leave out.
    """
    training = case.workload == "training"
    work = step_work(
        module, arguments, training=training, classes=case.classes, input_gradient=is_block(case.model)
    )
    if work.unknown:
        detail = f"FLOPs: without those of {', '.join(work.unknown)}, for which there is no formula"
        warnings.append(CaseWarning("incomplete", detail))
    phases: tuple[WorkPhase, ...] = ("forward", "backward") if training else ("forward",)
    return [single(phase, "flops", 2 * work.macs(phase), "FLOP") for phase in phases]


def bytes_moved(case: Case, module: torch.nn.Module, arguments: Arguments) -> list[Measurement]:
    """Bytes that a step moves by phase, counted likewise."""
    moved = traffic.step_bytes(
        module,
        arguments,
        training=case.workload == "training",
        precision=case.precision,
        input_gradient=is_block(case.model),
        classes=case.classes,
    )
    return [single(phase, "bytes_moved", count, "bytes") for phase, count in moved.items()]


def monitor_of(case: Case, device: Device) -> Monitor:
    """What is watched while a window is timed: the processor's contention, and the clocks of a GPU."""
    return Monitors(device.monitors(case.threads))
