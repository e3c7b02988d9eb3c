"""Events as torch offers them, over a simulated queue."""

from __future__ import annotations

from bench.devices import fake
from bench.devices.fake import FakeDevice


def event_class(device: FakeDevice) -> type:
    """What stands in the place of torch.cuda.Event or torch.mps.event.Event."""

    class Event:
        def __init__(self, enable_timing: bool = False) -> None:
            assert enable_timing, "an event without timing has no elapsed_time"
            self._at = fake.Event(device)

        def record(self) -> None:
            self._at = device.record()

        def query(self) -> bool:
            return device.done(self._at)

        def elapsed_time(self, end_event: Event) -> float:
            """In milliseconds, as torch documents it."""
            return 1e3 * device.elapsed(self._at, end_event._at)

    return Event
