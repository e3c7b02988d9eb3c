"""A Chrome trace of a few steps, for chrome://tracing and Perfetto."""

from __future__ import annotations

from torch.profiler import profile

from bench.devices.base import Device
from bench.facts import fact
from bench.layers.kernels import activities
from bench.record import Measurement
from bench.workloads.base import Steps

STEPS = 3


def write(steps: Steps, device: Device, path: str) -> list[Measurement]:
    """Profile a few steps by torch.profiler and write what it saw; returns how many steps they are. Raises
    OSError or RuntimeError where that cannot be written."""
    with profile(activities=activities(device)) as trace:
        for _ in range(STEPS):
            steps.before()
            steps.step()
        device.synchronise()
    trace.export_chrome_trace(path)
    return [fact("model", "trace_steps", STEPS, "count")]
