"""What watches the machine while a window is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement


class Work(Protocol):
    """What the device can be given to do while a monitor reads: clocks and power fall when the work ends."""

    def begin(self) -> None:
        """Give the device work, unless it has some; nothing where it cannot be given any."""

    def goes_on(self) -> bool:
        """Whether the device is still at it."""

    def end(self) -> None:
        """Return when it is done."""


class NoWork:
    """Work of a device that can be given none."""

    def begin(self) -> None:
        """Nothing to give."""

    def goes_on(self) -> bool:
        """Never."""
        return False

    def end(self) -> None:
        """Nothing to wait for."""


AT_REST: Work = NoWork()


@dataclass(frozen=True)
class WindowReadings:
    """What a monitor saw in one window.

    measurements  of phase `window`, with one sample each
    labels        for the record's warnings, if this window is used
    disturbed     why the window should be taken again, or None
    usable        whether a spoiled window may be used, labelled, when it was no better the next time: it was
                  the host that was disturbed, and not the device
    """

    measurements: tuple[Measurement, ...] = ()
    labels: tuple[CaseWarning, ...] = ()
    disturbed: CaseWarning | None = None
    usable: bool = True


class Monitor(Protocol):
    """Watches one window after another; must cost nothing while the window lasts."""

    def before(self) -> None:
        """A window begins."""

    def end(self) -> None:
        """Its last sample is taken: what is counted is counted up to here."""

    def after(self, work: Work) -> WindowReadings:
        """What happened between `before` and `end`, and how the device is while it does `work`."""


@dataclass(frozen=True)
class Monitors:
    """Several monitors as one; of none, a monitor that sees nothing."""

    monitors: Sequence[Monitor] = ()

    def before(self) -> None:
        for monitor in self.monitors:
            monitor.before()

    def end(self) -> None:
        for monitor in self.monitors:
            monitor.end()

    def after(self, work: Work) -> WindowReadings:
        seen = [monitor.after(work) for monitor in self.monitors]
        # A window that must not be used counts for more than one that is labelled.
        disturbed = sorted(
            (readings for readings in seen if readings.disturbed), key=lambda readings: readings.usable
        )
        return WindowReadings(
            measurements=tuple(m for readings in seen for m in readings.measurements),
            labels=tuple(label for readings in seen for label in readings.labels),
            disturbed=disturbed[0].disturbed if disturbed else None,
            usable=all(readings.usable for readings in seen),
        )


NO_MONITOR = Monitors()
