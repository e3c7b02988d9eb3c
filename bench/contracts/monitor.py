"""What watches the machine while a window is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement


@dataclass(frozen=True)
class WindowReadings:
    """What a monitor saw in one window.

    measurements  of phase `window`, with one sample each
    labels        for the record's warnings, if this window is used
    disturbed     why the window should be taken again, or None
    usable        whether a spoiled window may be used, labelled, when it was no better the next time
    """

    measurements: tuple[Measurement, ...] = ()
    labels: tuple[CaseWarning, ...] = ()
    disturbed: CaseWarning | None = None
    usable: bool = True


class Monitor(Protocol):
    """Watches one window after another; must cost nothing while the window lasts."""

    def before(self) -> None:
        """A window begins."""

    def after(self) -> WindowReadings:
        """It has ended: what happened since `before`."""


@dataclass(frozen=True)
class Monitors:
    """Several monitors as one; of none, a monitor that sees nothing."""

    monitors: Sequence[Monitor] = ()

    def before(self) -> None:
        for monitor in self.monitors:
            monitor.before()

    def after(self) -> WindowReadings:
        seen = [monitor.after() for monitor in self.monitors]
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
