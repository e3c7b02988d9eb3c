"""In the child, beside the timing: what was read off the module and its steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from msgspec import structs

from bench import engines
from bench.contracts.device import Device
from bench.contracts.engine import Engine
from bench.contracts.monitor import Monitor, Monitors
from bench.contracts.steps import Steps
from bench.forkserver.stages import stage
from bench.probes import casting, flops, ledger, memory, traffic
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Job
from bench.schema.metrics import LEDGER
from bench.schema.record import Effective, Measurement, single
from bench.tensors import POLICIES, autocast, case_arguments
from models.blocks import is_block
from models.network import Arguments, Network

_MESSAGE_LIMIT = 200
"""Characters of an error in a warning."""


def read_back(device: Device, network: Network, case: Case) -> Effective:
    """What is really in force: the device's flags, and the dtypes of the module's weights and outputs."""
    found = device.read_back()
    return structs.replace(found, precision={**found.precision, **dtypes_seen(network, case, device)})


def dtypes_seen(network: Network, case: Case, device: Device) -> dict[str, str]:
    """The dtypes that really came out of the first convolution and the first linear layer."""
    module = network.module
    seen: dict[str, str] = {"weights": _short(next((p.dtype for p in module.parameters()), torch.float32))}
    hooks = []
    for kind, key in ((torch.nn.Conv2d, "conv_output"), (torch.nn.Linear, "linear_output")):
        layer = next((m for m in module.modules() if isinstance(m, kind)), None)
        if layer is not None:
            hooks.append(layer.register_forward_hook(_remember(seen, key)))
    one = structs.replace(case, batch=1) if network.inputs is None else case
    arguments = case_arguments(one, network, device.torch_name())
    module.eval()  # one image has no batch statistics
    # cuDNN keeps one choice for a shape, however it was made: at batch 1 it is that of the timed steps.
    chooses = contextlib.nullcontext() if case.batch == 1 else _without_search()
    with torch.no_grad(), autocast(case.precision, device.torch_type()), chooses:
        arguments.call(module)
    for hook in hooks:
        hook.remove()
    torch.clear_autocast_cache()  # the steps cast for themselves, compiled ones inside their code
    return seen


@contextlib.contextmanager
def _without_search() -> Iterator[None]:
    """cuDNN chooses by rules, in milliseconds, for shapes that are run once."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _remember(seen: dict[str, str], key: str) -> Callable[[Any, Any, torch.Tensor], None]:
    def hook(module: Any, inputs: Any, output: torch.Tensor) -> None:
        seen[key] = _short(output.dtype)

    return hook


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def memory_measurements(steps: Steps, device: Device, baseline: int, engine: Engine) -> list[Measurement]:
    """Sizes by kind and the peaks of a step."""
    replays = engine.replays_graphs and device.queue() is not None
    return memory.memory_pass(steps, device, baseline, replays)


def ledger_measurements(steps: Steps, device: Device, baseline: int, engine: Engine) -> list[Measurement]:
    """Whose bytes the peak is made of; nothing where the operators of a step cannot be seen."""
    return [] if _why_no_ledger(engine) else ledger.peak_ledger(steps, device, baseline)


def peak_absent(device: Device) -> dict[str, str]:
    """Why no peak was measured, where the device knows none: metric -> sentence."""
    if device.traits.peak_metric:
        return {}
    return {"peak_allocated": f"{device.traits.title} does not say what was allocated at most"}


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
        CaseWarning(
            "no-peak", "the replay of a CUDA graph allocates nothing, so only the reserved peak is known"
        )
    ]


def cast_measurements(job: Job, module: torch.nn.Module, steps: Steps, device: Device) -> list[Measurement]:
    """Casts a step and what casting all weights once costs; only under autocast."""
    name = POLICIES[job.case.precision].autocast
    if name is None:
        return []
    found = [single("model", "cast_time", casting.cast_seconds(module, getattr(torch, name), device), "s")]
    if job.cold is not None:
        found.append(single(steps.whole_phase, "casts", job.cold.casts, "count"))
    elif not engines.get(job.case.engine).compiles and job.case.engine == "eager":
        steps.setup()
        found.append(single(steps.whole_phase, "casts", casting.count_eager_casts(steps.step), "count"))
    return found


def cost_measurements(case: Case, module: torch.nn.Module, arguments: Arguments) -> list[Measurement]:
    """Parameters, FLOPs and bytes moved of what really ran, counted on copies without data."""
    parameters = sum(p.numel() for p in module.parameters())
    training = case.workload == "training"
    found = [single("model", "parameters", parameters, "count")]
    to_images = is_block(case.model)
    counted = flops.step_flops(module, arguments, training=training, input_gradient=to_images)
    if counted is not None:
        forward, backward = counted
        found.append(single("forward", "flops", forward, "FLOP"))
        if training:
            found.append(single("backward", "flops", backward, "FLOP"))
    moved = traffic.step_bytes(
        module, arguments, training=training, precision=case.precision, input_gradient=to_images
    )
    found += [single(phase, "bytes_moved", count, "bytes") for phase, count in (moved or {}).items()]
    return found


def optional_pass(
    name: str, measurements: Callable[[], list[Measurement]], incomplete: list[CaseWarning]
) -> list[Measurement]:
    """What is measured beside the timing; nothing, and a warning in `incomplete`, where that fails."""
    stage(name)
    try:
        return measurements()
    except Exception as error:  # noqa: BLE001 - of any kind: the timings are taken, and must not be lost
        message = " ".join(str(error).split())[:_MESSAGE_LIMIT]
        incomplete.append(CaseWarning("incomplete", f"{name}: {type(error).__name__}: {message}"))
        return []


def monitor_of(case: Case, device: Device) -> Monitor:
    """What is watched while a window is timed: the processor's contention, and the clocks of a GPU."""
    return Monitors(device.monitors(case.threads))
