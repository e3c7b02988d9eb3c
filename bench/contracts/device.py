"""What a device must offer to be measured: a clock, a way to wait, its memory, its precision flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bench.schema.case import Case


class Device(Protocol):
    """Hardware that runs torch. Construction and `why_absent` are torch-free; the rest runs in a child."""

    name: str
    """The name on the command line."""
    overcommits: bool
    """Whether memory that is not there is promised: who takes too much is killed, and not refused."""

    def why_absent(self) -> str | None:
        """A sentence when this machine seems to have no such device, found without torch, in milliseconds."""

    def why_unsupported(self, case: Case) -> str | None:
        """A sentence when the case contradicts this kind of device on every machine; torch-free."""

    def why_unusable(self, case: Case) -> str | None:
        """A sentence when this torch on this machine cannot run the case (asked in a child)."""

    def torch_name(self) -> str:
        """The device's name for torch, e.g. `cuda:0`."""

    def prepare(self, case: Case) -> None:
        """Set threads and precision flags for this process."""

    def read_back(self) -> dict[str, str]:
        """The precision flags in force, as torch reports them."""

    def clock(self) -> float:
        """The host's monotonic clock, in seconds."""

    def synchronise(self) -> None:
        """Return when all work given to the device is done."""

    def queue(self) -> Queue | None:
        """The asynchronous queue, or None where a call returns when its work is done."""

    def uuid(self) -> str | None:
        """The GPU's UUID as torch gives it, without a prefix, for NVML; None for what is no GPU of NVIDIA."""

    def gpu(self) -> Mapping[str, Any] | None:
        """The fields of bench.schema.record.Gpu, or None."""

    def memory_baseline(self) -> int:
        """Bytes in use before the model exists; peaks are differences to it."""

    def release_memory(self) -> None:
        """Give back what is only cached, and forget what was counted so far: a memory pass begins."""

    def reset_peak(self) -> None:
        """Forget the peak so far."""

    def read_peak(self) -> dict[str, int]:
        """Absolute peaks since `reset_peak`, in bytes, by metric name (`peak_...`)."""

    def read_memory(self) -> dict[str, int]:
        """Other memory facts since `release_memory`, by metric name."""

    def free_memory(self) -> int:
        """Bytes that this process may still take."""

    def warnings(self) -> list[str]:
        """Warnings about what this device could not say."""


class Queue(Protocol):
    """A device that works behind the host's back."""

    def clock(self) -> float: ...

    def synchronise(self) -> None: ...

    def record(self) -> Any:
        """An event at this place in the queue."""

    def elapsed(self, start: Any, end: Any) -> float:
        """Seconds between two events that have happened."""

    def done(self, event: Any) -> bool:
        """Whether an event has happened, without waiting for it."""

    def occupy(self, seconds: float) -> None:
        """Keep the device busy for at least about this long without work for the host."""

    def busy_seconds(self, call: Any) -> float | None:
        """Seconds in which the device worked during one call; None where nothing can tell."""
