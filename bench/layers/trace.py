"""A Chrome trace of a few steps, for chrome://tracing and Perfetto."""

from __future__ import annotations

from torch.profiler import profile

from bench.devices.base import Device
from bench.layers.kernels import activities
from bench.workloads.base import Steps

STEPS = 3


def write(steps: Steps, device: Device, path: str) -> None:
    """Profile a few steps by torch.profiler, and write what it saw. Raises OSError."""
    with profile(activities=activities(device)) as trace:
        for _ in range(STEPS):
            steps.before()
            steps.step()
        device.synchronise()
    trace.export_chrome_trace(path)
