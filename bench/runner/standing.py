"""How far a case of a run has come: the processes that it has had, and how they ended."""

from __future__ import annotations

import statistics

from msgspec import Struct

from bench.plan import feasibility
from bench.schema.record import Status

_MOST_ACCIDENTS = 2
"""A case that has had so many is not waited for; nor is one with an answer that is no figure."""
_UNKNOWN_SECONDS = 1.0
"""Of a process, where no record says how long one took."""


class Standing(Struct):
    """A case so far: the number of each process that will not be run again, how it ended, what it took."""

    ended: dict[int, Status] = {}
    seconds: list[float] = []

    def is_given_up(self) -> bool:
        """Whether no process is waited for: another would say the same, or accidents go on."""
        accidents = sum(status in feasibility.ACCIDENTS for status in self.ended.values())
        answers = sum(status != "ok" for status in self.ended.values()) - accidents
        return answers > 0 or accidents >= _MOST_ACCIDENTS

    def good(self) -> int:
        return sum(status == "ok" for status in self.ended.values())

    def next_number(self) -> int:
        return next(number for number in range(1, len(self.ended) + 2) if number not in self.ended)

    def expected_seconds(self) -> float:
        """Of another process; the first may have been asked for more than times."""
        known = self.seconds[1:] or self.seconds
        return max(statistics.fmean(known), 1e-3) if known else _UNKNOWN_SECONDS
