"""The board's power while steps run: its readings, their mean, and how often sensor and counter move.

Read by the thread that gives the device its steps, between two rounds of them. A thread of its own would take
the interpreter from that one whenever it liked, also when a launch is due. A question takes the driver up to
a millisecond, in which a device that waits for Python has nothing to do. So the time between two questions in
a window is a hundred times that of a question: 1% of the window at most, and nothing where work is queued.
"""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

from bench.timing.sampling import Clock

if TYPE_CHECKING:
    from bench.contracts.energy_source import EnergySource

_EVERY_SECONDS = 5e-3
"""The length of a round: sensors move every 20 to 100 ms."""
_SHARE_OF_QUESTIONS = 0.01
_FEWEST_INTERVALS = 3
_LOOKS_PER_PERIOD = 3
"""A period that fewer looks fall into is no more than the pace of looking."""


class PowerSamples:
    """Readings (W) and when they were asked for (s), at a pace that disturbs nothing."""

    def __init__(self, source: EnergySource, clock: Clock) -> None:
        self.watts: list[float] = []
        self._at: list[float] = []
        self._source, self._clock = source, clock
        self._ask_at = clock()

    def read_if_due(self) -> None:
        """Ask if it is time to."""
        asked = self._clock()
        if asked < self._ask_at:
            return
        watts = self._source.watts()
        answered = self._clock()
        self._ask_at = asked + max(_EVERY_SECONDS, (answered - asked) / _SHARE_OF_QUESTIONS)
        if watts is not None:
            self.watts.append(watts)
            self._at.append(asked)

    def mean(self, start: float, end: float) -> float | None:
        """Their integral from `start` to `end` over the time between; None without readings.

        Straight between two readings; the first holds before it, the last after it.
        """
        if not self.watts:
            return None
        at = [start, *self._at, end]
        watts = [self.watts[0], *self.watts, self.watts[-1]]
        points = itertools.pairwise(zip(at, watts, strict=True))
        joules = sum((one + two) / 2 * (later - earlier) for (earlier, one), (later, two) in points)
        return joules / (end - start)


class Movements:
    """When a reading was looked at, and when it was seen to have moved."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._looks: list[float] = []
        self._moves: list[float] = []

    def look(self, at: float, value: float | None) -> None:
        """The reading at this time (s); None is passed over."""
        if value is None:
            return
        self._looks.append(at)
        if self._last is not None and value != self._last:
            self._moves.append(at)
        self._last = value

    @property
    def period(self) -> float | None:
        """Seconds from one move to the next, in the middle of all; None of too few, or of moves that come as
        fast as anyone looked."""
        intervals = [later - earlier for earlier, later in itertools.pairwise(self._moves)]
        if len(intervals) < _FEWEST_INTERVALS:
            return None
        period = statistics.median(intervals)
        pace = statistics.median(later - earlier for earlier, later in itertools.pairwise(self._looks))
        return period if period >= _LOOKS_PER_PERIOD * pace else None
