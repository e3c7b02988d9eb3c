"""A device with planted durations and a clock of its own: it has no DEVICE, so no command line offers it.

With it the whole way of an asynchronous measurement runs on any machine, without waiting and with answers
known beforehand. What CUDA refuses, it refuses too, in torch's words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.contracts.costs import UNKNOWN_COSTS
from bench.contracts.device import Traits
from bench.contracts.energy_source import EnergySource, NoCounter
from bench.contracts.monitor import Monitor
from bench.host.contention import ContentionMonitor
from bench.schema.case import PRECISIONS, Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.gpu_identity import Gpu, GpuReadings
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
    costs=UNKNOWN_COSTS,
    uses_gpu=False,
    uses_nvml=False,
)


@dataclass(frozen=True)
class Event:
    """A place in a queue, reached at `at` (s); None where it was never recorded."""

    queue: FakeDevice
    at: float | None = None


class FakeDevice:
    """One in-order queue beside a host, both in simulated seconds. Tensors live on the CPU.

    RuntimeError where CUDA gives one: for whatever asks the device in a child of the process that first did,
    and for an event that has not happened yet or is another queue's; ValueError for an event that was never
    recorded. A peak that is read before it was reset is refused as well: torch would give the peak of the
    whole process, and no figure of ours may be that.
    """

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
        self._peak_was_reset = False
        self.flush_seconds, self.cold_factor = 0.0, 1.0
        self._is_cold = False
        self._process: int | None = None

    def begin(self) -> None:
        """Start the device in this process, if it has not started: all that asks it does so first."""
        if self._process not in (None, os.getpid()):
            raise RuntimeError("Cannot re-initialize CUDA in forked subprocess")
        self._process = os.getpid()

    def flush(self) -> Callable[[], None]:
        """What takes `flush_seconds`, and makes the next launch take `cold_factor` times as long."""

        def write_over() -> None:
            self.launch(0.0, self.flush_seconds)
            self._is_cold = True

        return write_over

    def launch(self, host_seconds: float, device_seconds: float) -> None:
        """Work that costs the host `host_seconds` to enqueue and the device `device_seconds` to do."""
        self.begin()
        if self._is_cold:
            device_seconds, self._is_cold = device_seconds * self.cold_factor, False
        self.now += host_seconds
        self._busy += device_seconds
        self._done = max(self._done, self.now) + device_seconds
        if not self._asynchronous:
            self.synchronise()

    def allocate(self, size: int) -> None:
        """Plant an allocation of `size` bytes (negative: freed)."""
        self.begin()
        self.allocated += size
        self.peak = max(self.peak, self.allocated)

    def why_absent(self) -> str | None:
        return None

    def why_unsupported(self, case: Case) -> str | None:
        return None

    def why_unusable(self, case: Case) -> str | None:
        return None

    def why_no_flush(self) -> str | None:
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
        self.begin()
        self.now = max(self.now, self._done)

    def queue(self) -> FakeDevice | None:
        return self if self._asynchronous else None

    def monitors(self, threads: int) -> Sequence[Monitor]:
        return [ContentionMonitor(threads)]

    def energy_source(self) -> EnergySource:
        return NoCounter("what is simulated takes no energy")

    def accelerator(self) -> Gpu | None:
        return None

    def accelerator_readings(self) -> GpuReadings | None:
        return None

    def memory_baseline(self) -> int:
        return self.allocated

    def release_memory(self) -> None:
        self.begin()

    def reset_peak(self) -> None:
        self.begin()
        self.peak = self.allocated
        self._peak_was_reset = True

    def read_peak(self) -> dict[str, int]:
        self.begin()
        if not self._peak_was_reset:
            raise RuntimeError("the peak was never reset: it would be that of the whole process")
        return {"peak_allocated": self.peak}

    def read_memory(self) -> dict[str, int]:
        self.begin()
        return {}

    def free_library_workspace(self) -> bool:
        return True  # no library keeps any

    def free_memory(self) -> int:
        self.begin()
        return FREE_BYTES - self.allocated

    def warnings(self) -> list[CaseWarning]:
        return []

    def record(self) -> Event:
        self.begin()
        self._done = max(self._done, self.now)
        return Event(self, self._done)

    def elapsed(self, start: Event, end: Event) -> float:
        if start.at is None or end.at is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if start.queue is not self or end.queue is not self:
            raise RuntimeError("CUDA error: invalid resource handle")
        if not (self.done(start) and self.done(end)):
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        return end.at - start.at

    def done(self, event: Event) -> bool:
        self.begin()
        return event.at is None or event.at <= self.now  # CUDA too calls one done that was never recorded

    def occupy(self, seconds: float) -> None:
        self.begin()
        self._done = max(self._done, self.now) + seconds

    def busy_seconds(self, call: Callable[[], None]) -> float | None:
        before = self._busy
        call()
        self.synchronise()
        return self._busy - before
