"""Seconds by what they were spent on: in a child, and in the command that asked for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.schema.spending import Spending


class Stopwatch:
    """Runs from its making on; every second belongs to one thing, and what is inside another to the inner
    one alone. What nothing was named for is `rest`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._what: Spending = "rest"
        self._seconds: dict[Spending, float] = {}

    @contextmanager
    def on(self, what: Spending) -> Iterator[None]:
        """What is done inside is this."""
        before = self._turn_to(what)
        try:
            yield
        finally:
            self._turn_to(before)

    def move(self, seconds: float, what: Spending, to: Spending) -> None:
        """Of the seconds so far of one thing, some were another's: as many as there are, at most."""
        self._turn_to(self._what)
        moved = min(max(0.0, seconds), self._seconds.get(what, 0.0))
        self._add(what, -moved)
        self._add(to, moved)

    def read(self) -> dict[str, float]:
        """Seconds by what so far; they add up to those since it was made, or read with `lap`."""
        self._turn_to(self._what)
        return {what: seconds for what, seconds in self._seconds.items() if seconds}

    def lap(self) -> dict[str, float]:
        """Read it, and begin again at zero."""
        found = self.read()
        self._seconds.clear()
        return found

    def _turn_to(self, what: Spending) -> Spending:
        """From now on; what it was before."""
        now, before = self._clock(), self._what
        self._add(before, now - self._since)
        self._since, self._what = now, what
        return before

    def _add(self, what: Spending, seconds: float) -> None:
        self._seconds[what] = self._seconds.get(what, 0.0) + seconds
