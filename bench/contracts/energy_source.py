"""A counter of joules, and the pauses that its windows need."""

from __future__ import annotations

from typing import Protocol


class EnergySource(Protocol):
    """A counter of joules that moves in ticks. `why_absent` is None as long as it can be read, and
    `why_no_power` as long as it can also tell the power of an instant."""

    why_absent: str | None
    why_no_power: str | None

    def joules(self) -> float | None:
        """The counter now; None, from the first failure on, where it cannot be read."""

    def watts(self) -> float | None:
        """The power at this instant; None where it cannot be read."""


class NoCounter:
    """A source that tells nothing, for this reason."""

    def __init__(self, reason: str) -> None:
        self.why_absent: str | None = reason
        self.why_no_power: str | None = reason

    def joules(self) -> None:
        """Nothing: see `why_absent`."""

    def watts(self) -> None:
        """Nothing: see `why_no_power`."""


IDLE_SECONDS = 2.0
SETTLE_SECONDS = 1.0
"""Clocks fall when the work ends, and rise when it begins: neither belongs to a window."""
BEFORE_SECONDS = SETTLE_SECONDS + IDLE_SECONDS + SETTLE_SECONDS
"""From the end of other work to the first tick of a window."""
