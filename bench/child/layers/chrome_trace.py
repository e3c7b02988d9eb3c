"""A Chrome trace of a few steps, for chrome://tracing and Perfetto."""

from __future__ import annotations

from torch.profiler import profile

from bench.child.layers.profiled import activities
from bench.contracts.device import Device
from bench.contracts.steps import Steps
from bench.schema.record import Measurement, single

STEPS = 3


def write(steps: Steps, device: Device, path: str) -> list[Measurement]:
    """Profile a few steps by torch.profiler and write what it saw; returns how many steps they are. Raises
    OSError or RuntimeError where that cannot be written."""
    with profile(activities=activities(device)) as trace:
        for _ in range(STEPS):
            steps.setup()
            steps.step()
        device.synchronise()
    trace.export_chrome_trace(path)
    return [single("model", "trace_steps", STEPS, "count")]
