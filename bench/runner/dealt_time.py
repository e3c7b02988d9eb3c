"""What the time that is left is spent on: each process goes to the case whose interval it narrows most in a
second. A case that compiles for a quarter of a minute would else take the time of ten others. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from msgspec import Struct


class Candidate(Struct, frozen=True, kw_only=True):
    """A case that could have further processes.

    half       half width of its interval, relative
    target     at which it needs no more
    processes  that it has had, and that ended well; at least one
    most       further ones that it may have
    seconds    that another one takes
    is_first   whether one comes before those of all others
    """

    half: float
    target: float
    processes: int
    most: int
    seconds: float
    is_first: bool = False

    def half_after(self, further: int) -> float:
        """With so many more, if they scatter as they do now: it falls with the root of their number."""
        return self.half * math.sqrt(self.processes / (self.processes + further))

    def gain(self, further: int) -> float:
        """By how much one more than so many narrows the interval, per second."""
        return (self.half_after(further) - self.half_after(further + 1)) / self.seconds


def deal(candidates: Sequence[Candidate], seconds: float) -> list[int]:
    """How many further processes each candidate gets in so many seconds."""
    dealt = [0] * len(candidates)

    def rank(place: int) -> tuple[bool, float, int]:
        candidate, further = candidates[place], dealt[place]
        return not (candidate.is_first and not further), -candidate.gain(further), place

    heap = [rank(place) for place, candidate in enumerate(candidates) if candidate.most > 0]
    heapq.heapify(heap)
    while heap:
        *_, place = heapq.heappop(heap)
        candidate = candidates[place]
        if candidate.seconds > seconds:  # a shorter one may fit
            continue
        seconds -= candidate.seconds
        dealt[place] += 1
        if dealt[place] < candidate.most and candidate.half_after(dealt[place]) > candidate.target:
            heapq.heappush(heap, rank(place))
    return dealt
