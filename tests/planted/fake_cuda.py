"""A CUDA device in simulated seconds: what it refuses while it captures, and faults to plant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch

from bench import cuda_queue
from bench.devices import cuda
from bench.devices.cuda import Cuda
from bench.devices.fake import FREE_BYTES, Event, FakeDevice
from tests.planted.fake_events import event_class
from tests.planted.fake_nvml import FakeGpu, FakeNvml

WARM_SECONDS = 5e-3
"""For how long what a chip did decides its clocks: one that worked all this time is as warm as it gets."""
REPLAY_SECONDS = 10e-6
"""What the replay of a graph costs the host."""


@dataclass
class Graph:
    """What was enqueued while it was captured, to be run as one launch."""

    device: FakeCuda
    device_seconds: float = 0.0
    broken: bool = field(default=False, repr=False)

    def replay(self) -> None:
        self.device.launch(REPLAY_SECONDS, self.device_seconds)


class FakeCuda(FakeDevice):
    """What can be planted; without it a FakeDevice that can also capture graphs.

    first_call_seconds  the first launch costs the host as much more, once, whatever the engine: the search
                        for algorithms, and the loading of libraries
    workspace_bytes     what a library takes at its first launch and keeps, until it is told to let go
    capacity_bytes      above so much allocated, allocate() raises torch.OutOfMemoryError
    peak_limit_bytes    above such a peak, read_peak() raises it (a memory pass that runs out)
    cool_speed          how much faster work is on a chip that has spun or rested for WARM_SECONDS (1.02: by
                        2%) than on one that has worked; in proportion in between
    """

    def __init__(
        self,
        *,
        first_call_seconds: float = 0.0,
        workspace_bytes: int = 0,
        capacity_bytes: int = FREE_BYTES,
        peak_limit_bytes: int | None = None,
        cool_speed: float = 1.0,
    ) -> None:
        super().__init__()
        self._first_call_seconds = first_call_seconds
        self._workspace_bytes = workspace_bytes
        self._capacity_bytes = capacity_bytes
        self._peak_limit_bytes = peak_limit_bytes
        self._cool_speed = cool_speed
        self._is_fresh = True
        self._has_workspace = False
        self._graph: Graph | None = None
        self._worked: list[tuple[float, float]] = []
        self.spins: list[float] = []
        """Seconds of each torch.cuda._sleep, once installed."""

    def install(self, monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu) -> Cuda:
        """A Cuda over the functions of torch.cuda that this stands for, and over a planted driver."""
        stream = SimpleNamespace(wait_stream=lambda other: None)
        for name, function in {
            "synchronize": self.synchronise,
            "Event": event_class(self),
            "_sleep": lambda cycles: self._spin(cycles / (1e6 * gpu.sm_clock_mhz())),
            "Stream": lambda: stream,
            "current_stream": lambda: stream,
            "stream": lambda side: nullcontext(),
            "CUDAGraph": lambda: Graph(self),
            "graph": self.capture,
            "empty_cache": self.release_memory,
            "memory_allocated": self.memory_baseline,
            "memory_reserved": self.memory_baseline,
            "memory_stats": self._memory_stats,
            "reset_accumulated_memory_stats": self.begin,
            "reset_peak_memory_stats": self.reset_peak,
            "mem_get_info": lambda: (self.free_memory(), self._capacity_bytes),
        }.items():
            monkeypatch.setattr(torch.cuda, name, function)
        for module in (cuda, cuda_queue):
            monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=self.clock))
        monkeypatch.setattr(cuda, "open_nvml", lambda: FakeNvml((gpu,)))
        monkeypatch.setattr(Cuda, "uuid", lambda device: gpu.uuid().removeprefix("GPU-"))
        monkeypatch.setattr(Cuda, "torch_name", lambda device: "cpu")
        return Cuda()

    def _memory_stats(self) -> dict[str, int]:
        """An allocator that rounds nothing and keeps nothing back."""
        peak = self.read_peak()["peak_allocated"]
        kinds = ("allocated_bytes", "requested_bytes", "reserved_bytes")
        return {f"{kind}.all.peak": peak for kind in kinds} | {"num_alloc_retries": 0}

    def _spin(self, seconds: float) -> None:
        self.spins.append(seconds)
        self.occupy(seconds)

    def launch(self, host_seconds: float, device_seconds: float) -> None:
        if self._is_fresh:
            self._refuse_capture()  # to search for an algorithm is to wait for it
            self.begin()
            self.now += self._first_call_seconds
            self._is_fresh = False
        if not self._has_workspace:
            self.allocate(self._workspace_bytes)
            self._has_workspace = True
        if self._graph is not None:
            self.now += host_seconds
            self._graph.device_seconds += device_seconds
            return
        begins = max(self._done, self.now + host_seconds)
        super().launch(host_seconds, device_seconds / self._speed(begins))
        self._worked.append((begins, self._done))

    def _speed(self, at: float) -> float:
        """1 on a chip that has worked for WARM_SECONDS before `at`."""
        since = at - WARM_SECONDS
        self._worked = [(start, end) for start, end in self._worked if end > since]
        rested = 1 - sum(end - max(start, since) for start, end in self._worked) / WARM_SECONDS
        return 1 + (self._cool_speed - 1) * rested

    def free_library_workspace(self) -> bool:
        """As torch._C._cuda_clearCublasWorkspaces(): the next launch takes it again."""
        if self._has_workspace:
            self.allocate(-self._workspace_bytes)
            self._has_workspace = False
        return True

    def allocate(self, size: int) -> None:
        if self.allocated + size > self._capacity_bytes:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes.")
        super().allocate(size)

    def free_memory(self) -> int:
        self.begin()
        return self._capacity_bytes - self.allocated

    def read_peak(self) -> dict[str, int]:
        if self._peak_limit_bytes is not None and self.peak > self._peak_limit_bytes:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate what is not there.")
        return super().read_peak()

    @contextmanager
    def capture(self, graph: Graph | None = None) -> Iterator[Graph]:
        """What is launched inside is not run but kept. RuntimeError for all that needs the host to wait, for
        asking an event, and for a capture inside a capture; what was captured until then is lost."""
        self._refuse_capture()
        self.synchronise()
        graph = self._graph = graph or Graph(self)
        try:
            yield graph
        finally:
            self._graph = None
        if graph.broken:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    def _refuse_capture(self) -> None:
        if self._graph is not None:
            self._graph.broken = True
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    def synchronise(self) -> None:
        self._refuse_capture()
        super().synchronise()

    def release_memory(self) -> None:
        self.synchronise()

    def reset_peak(self) -> None:
        self.synchronise()
        super().reset_peak()

    def record(self) -> Event:
        """In a capture an event that never happens: CUDA cannot be asked for such a one."""
        if self._graph is not None:
            return Event(self, float("inf"))
        return super().record()

    def done(self, event: Event) -> bool:
        self._refuse_capture()
        if event.at == float("inf"):
            raise RuntimeError("CUDA error: operation not permitted on an event last recorded in a capture")
        return super().done(event)

    def occupy(self, seconds: float) -> None:
        if self._graph is not None:
            self._graph.device_seconds += seconds
            return
        super().occupy(seconds)
