"""A device with planted durations and a clock of its own: it has no DEVICE, so no command line offers it.

With it the whole way of an asynchronous measurement runs on any machine, without waiting and with answers
known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.contracts.device import Traits
from bench.contracts.energy_source import EnergySource, NoCounter
from bench.contracts.monitor import Monitor
from bench.host.contention import ContentionMonitor
from bench.schema.case import PRECISIONS, Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Effective

FREE_BYTES = 2**30
"""As if the device had so much."""

TRAITS = Traits(
    title="the fake",
    preference=-1,
    is_host=False,
    scale="large",
    clocks=("device_time", "wall_time", "host_time"),
    precisions=PRECISIONS,
    tunings=(),
    captures_graphs=False,
    needs_cxx=False,
    profiler="",
    has_datasheet=False,
    tensor_cores=False,
    peak_metric="peak_allocated",
    energy_scope="",
    counts_energy=False,
    flops_per_second=1e12,
    ceiling_seconds=10.0,
    uses_gpu=False,
    uses_nvml=False,
)


class FakeDevice:
    """One in-order queue beside a host, both in simulated seconds. Tensors live on the CPU."""

    name = "fake"
    traits = TRAITS
    overcommits = False

    def __init__(self, asynchronous: bool = True) -> None:
        self.now = 0.0
        self._asynchronous = asynchronous
        self._done = 0.0
        self._busy = 0.0
        self.peak = 0
        self.allocated = 0

    def launch(self, host_seconds: float, device_seconds: float) -> None:
        """Work that costs the host `host_seconds` to enqueue and the device `device_seconds` to do."""
        self.now += host_seconds
        self._busy += device_seconds
        self._done = max(self._done, self.now) + device_seconds
        if not self._asynchronous:
            self.synchronise()

    def allocate(self, size: int) -> None:
        """Plant an allocation of `size` bytes (negative: freed)."""
        self.allocated += size
        self.peak = max(self.peak, self.allocated)

    def why_absent(self) -> str | None:
        return None

    def why_unsupported(self, case: Case) -> str | None:
        return None

    def why_unusable(self, case: Case) -> str | None:
        return None

    def torch_name(self) -> str:
        return "cpu"

    def torch_type(self) -> str:
        return "cpu"

    def prepare(self, case: Case) -> None:
        return None

    def read_back(self) -> Effective:
        return Effective()

    def clock(self) -> float:
        return self.now

    def synchronise(self) -> None:
        self.now = max(self.now, self._done)

    def queue(self) -> FakeDevice | None:
        return self if self._asynchronous else None

    def monitors(self, threads: int) -> Sequence[Monitor]:
        return [ContentionMonitor(threads)]

    def energy_source(self) -> EnergySource:
        return NoCounter("what is simulated takes no energy")

    def accelerator(self) -> Mapping[str, Any] | None:
        return None

    def memory_baseline(self) -> int:
        return self.allocated

    def release_memory(self) -> None:
        return None

    def reset_peak(self) -> None:
        self.peak = self.allocated

    def read_peak(self) -> dict[str, int]:
        return {"peak_allocated": self.peak}

    def read_memory(self) -> dict[str, int]:
        return {}

    def free_memory(self) -> int:
        return FREE_BYTES - self.allocated

    def warnings(self) -> list[CaseWarning]:
        return []

    def record(self) -> list[float]:
        self._done = max(self._done, self.now)
        return [self._done]

    def elapsed(self, start: list[float], end: list[float]) -> float:
        if end[0] > self.now:  # as CUDA refuses too
            raise RuntimeError("the event has not happened yet: synchronise first")
        return end[0] - start[0]

    def done(self, event: list[float]) -> bool:
        return event[0] <= self.now

    def occupy(self, seconds: float) -> None:
        self._done = max(self._done, self.now) + seconds

    def busy_seconds(self, call: Callable[[], None]) -> float | None:
        before = self._busy
        call()
        self.synchronise()
        return self._busy - before
