"""torch.mps without an Apple GPU: its documented functions over a simulated queue and a planted memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.mps import event

from bench.devices import mps
from bench.devices.fake import FakeDevice
from tests.planted.fake_events import event_class

RECOMMENDED_BYTES = 2**34
ROUNDS_PER_SECOND = 1e9
MACOS = (15, 0)


class FakeMps:
    """`allocated` by tensors, `cached` by the allocator, `beside` by the frameworks, in bytes; `now` and the
    queue are simulated seconds. Tensors live on the CPU."""

    def __init__(self) -> None:
        self.device = FakeDevice()
        self.allocated, self.cached, self.beside = 0, 0, 0
        self.macos = MACOS

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand in the place of torch.mps, and of the host's clock."""

        def put(owner: object, **functions: object) -> None:
            for name, function in functions.items():
                monkeypatch.setattr(owner, name, function)

        put(
            torch.mps,
            synchronize=self.device.synchronise,
            empty_cache=self._empty_cache,
            current_allocated_memory=lambda: self.allocated,
            driver_allocated_memory=lambda: self.allocated + self.cached + self.beside,
            recommended_max_memory=lambda: RECOMMENDED_BYTES,
            compile_shader=lambda source: SimpleNamespace(spin=self._spin),
        )
        put(
            torch.backends.mps,
            is_built=lambda: True,
            is_available=lambda: True,
            is_macos_or_newer=lambda major, minor: self.macos >= (major, minor),
            get_name=lambda: "Apple M0",
            get_core_count=lambda: 8,
        )
        put(event, Event=event_class(self.device))
        put(mps, time=SimpleNamespace(perf_counter=self.device.clock))
        put(mps.Mps, torch_name=lambda device: "cpu", torch_type=lambda device: "cpu")

    def _empty_cache(self) -> None:
        self.cached = 0

    def _spin(self, value: torch.Tensor, rounds: float) -> None:
        self.device.launch(1e-6, rounds / ROUNDS_PER_SECOND)
