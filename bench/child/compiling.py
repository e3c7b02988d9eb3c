"""In the child, for an engine that compiles: its cache, what compiling took, and what came out of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import torch
from msgspec import structs

from bench import engines, workloads
from bench.child.layers import profiled
from bench.contracts.device import Device
from bench.contracts.engine import Engine
from bench.contracts.steps import Steps
from bench.forkserver.stages import stage
from bench.schema.case import Layout
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Job
from bench.schema.record import Effective, Measurement, single
from models.network import Network

_LAYOUT_FILE = "conv_layout.json"
"""Beside what Inductor compiled: the process that finds it there sees no graph any more."""


def use_cache(job: Job) -> Callable[[], int]:
    """Point Inductor at this job's own cache before anything is compiled; returns what to call when it is:
    gives the casts of weights and inputs in what was compiled, and keeps the layout of its convolutions."""
    if job.cache_folder is None:
        return lambda: 0
    from bench.probes import graph_casts

    folder = job.cache_folder
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
    os.environ["TRITON_CACHE_DIR"] = os.path.join(folder, "triton")  # noqa: PTH118
    if job.layers:
        profiled.show_kernels()
    seen = graph_casts.install(is_inference=job.case.workload == "inference")

    def compiled() -> int:
        if seen.conv_layout is not None:
            Path(folder, _LAYOUT_FILE).write_bytes(msgspec.json.encode(seen.conv_layout))
        return seen.casts

    return compiled


def with_conv_layout(effective: Effective, job: Job) -> Effective:
    """The layout of the convolutions in the cached code beside what else was read back, where it is known."""
    found = _conv_layout(job)
    if found is None:
        return effective
    return structs.replace(effective, machine={**effective.machine, "conv_layout": found})


def layout_warnings(job: Job) -> list[CaseWarning]:
    """Where the case's layout is that of the module and the images, and not that of the convolutions."""
    found = _conv_layout(job)
    if found is None or found == job.case.layout:
        return []
    return [CaseWarning("conv-layout", f"torch.compile ran the convolutions in {found}")]


def _conv_layout(job: Job) -> Layout | None:
    """None where no process has seen how the cached code was compiled."""
    if job.cache_folder is None:
        return None
    kept = Path(job.cache_folder, _LAYOUT_FILE)
    return msgspec.json.decode(kept.read_bytes(), type=Layout) if kept.exists() else None


def step_eagerly(job: Job, network: Network, device: Device) -> list[CaseWarning]:
    """A step of the same shapes without the compiler: what any engine pays once is no compile time then.

    That is cuDNN's search above all. Not on the host, which searches for nothing, and whose memory is counted
    for the process as a whole; nor where only memory is measured, of which this step may need more. Returns
    a warning where it ran out of memory, as the compiled step need not.
    """
    if device.traits.is_host or not job.protocol.max_samples:
        return []
    stage("eager step")
    workload, eager = workloads.workloads()[job.case.workload], engines.get("eager")
    try:
        steps = workload.prepare(network, job.case, eager, device.torch_name())
        first_step(steps, device)
    except torch.OutOfMemoryError:
        detail = "compiling: no memory for an eager step before, so what any engine pays once is in its time"
        return [CaseWarning("incomplete", detail)]
    finally:
        network.module.zero_grad(set_to_none=True)
        torch.clear_autocast_cache()  # compiled code has casts of its own
    return []


def first_step(steps: Steps, device: Device) -> float:
    """Seconds of the first step: with a compiling engine nearly all of it is compilation."""
    start = device.clock()
    steps.setup()
    steps.step()
    device.synchronise()
    return device.clock() - start


def compile_measurements(job: Job, engine: Engine, steps: Steps, device: Device) -> list[Measurement]:
    """Cold and warm compile seconds and the graph breaks."""
    _compile_in_this_process()
    found = [single("model", "compile_warm", first_step(steps, device), "s")]
    _end_compile_workers()
    if job.cold is not None:
        found.insert(0, single("model", "compile_cold", job.cold.seconds, "s"))
    counters = engine.observe()
    found.append(single("model", "graph_breaks", counters["graph_breaks"], "count"))
    found.append(single("model", "compile_cache_hits", counters["cache_hits"], "count"))
    return found


def _compile_in_this_process() -> None:
    """All comes from the cache, so Inductor needs no pool of processes. For a GPU it would wake one, whose
    end then waits until each process has imported torch."""
    import torch._inductor.config

    torch._inductor.config.compile_threads = 1


def _end_compile_workers() -> None:
    """Whoever has started some: none may stir in a window."""
    from torch._inductor.async_compile import shutdown_compile_workers

    shutdown_compile_workers()


def refuse_recompiles(steps: Steps, engine: Engine) -> Steps:
    """The same steps, whose check also fails when more was compiled, or given up, since the check before."""
    compiled, given_up = progress(engine)

    def why_invalid() -> str | None:
        nonlocal compiled, given_up
        before, (compiled, given_up) = (compiled, given_up), progress(engine)
        if compiled > before[0]:
            return f"torch.compile compiled {compiled - before[0]} more graphs inside the window"
        if given_up > before[1]:
            return "torch.compile reached its recompile limit inside the window and went on eagerly"
        return steps.why_invalid()

    return replace(steps, why_invalid=why_invalid)


def progress(engine: Engine) -> tuple[int, int]:
    """How many graphs were compiled, and how many functions are compiled no more."""
    found = engine.observe()
    return found.get("compiled_graphs", 0), found.get("given_up", 0)
