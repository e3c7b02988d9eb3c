"""What an NVIDIA GPU is still to run: events, a spin that keeps it busy, and the kernels' own times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class CudaQueue:
    """The current stream of a device; see `bench.contracts.device.Queue`.

    uuid         of the device, once it is asked
    highest_mhz  of the SM clock of the device with a UUID; None where nobody says it
    """

    def __init__(self, uuid: Callable[[], str], highest_mhz: Callable[[str], float | None]) -> None:
        self._uuid, self._highest_mhz = uuid, highest_mhz
        self._rates: dict[str, float] = {}

    def clock(self) -> float:
        return time.perf_counter()

    def synchronise(self) -> None:
        import torch

        torch.cuda.synchronize()

    def record(self) -> torch.cuda.Event:
        import torch

        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def elapsed(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        return float(start.elapsed_time(end)) / 1e3  # torch gives milliseconds

    def done(self, event: torch.cuda.Event) -> bool:
        return bool(event.query())

    def occupy(self, seconds: float) -> None:
        import torch

        torch.cuda._sleep(int(seconds * self._cycles_per_second()))

    def busy_seconds(self, call: Callable[[], None]) -> float | None:
        """Sum of the kernels' own times during one call, by torch.profiler; None where it sees no kernel.

        CUPTI, which torch.profiler asks, may be closed to ordinary users, or taken by another profiler.
        """
        import torch
        from torch.profiler import ProfilerActivity, profile

        torch.cuda.synchronize()
        try:
            with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as trace:
                call()
                torch.cuda.synchronize()
            return _kernel_seconds(trace.key_averages())
        except RuntimeError:  # the call itself has run many times before
            return None

    def _cycles_per_second(self) -> float:
        """Of the current GPU; a process that measures a user's modules may have several."""
        uuid = self._uuid()
        if uuid not in self._rates:
            self._rates[uuid] = self._highest_rate(uuid)
        return self._rates[uuid]

    def _highest_rate(self, uuid: str) -> float:
        """`_sleep` counts cycles of a clock that changes. At its highest, or where nobody knows that, at
        the higher of two that were seen: a spin must outlast the host, and may do so by more."""
        import torch

        torch.cuda._sleep(1)  # the first one loads the kernel
        mhz = self._highest_mhz(uuid)
        return max(self._seen_cycles_per_second() for _ in range(2)) if mhz is None else 1e6 * mhz

    def _seen_cycles_per_second(self) -> float:
        import torch

        cycles = 2_000_000
        start = self.record()
        torch.cuda._sleep(cycles)
        end = self.record()
        torch.cuda.synchronize()
        return cycles / self.elapsed(start, end)


def _kernel_seconds(events: Iterable[Any]) -> float | None:
    """Of torch.profiler's averages; entries of operators repeat the time of the kernels they launched."""
    from torch.autograd import DeviceType

    on_device = [e for e in events if e.device_type == DeviceType.CUDA and not e.is_user_annotation]
    return float(sum(e.self_device_time_total for e in on_device)) / 1e6 if on_device else None
