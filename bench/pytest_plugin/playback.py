"""Seconds that convbench's sampler took, handed to pytest-benchmark as the rounds of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from bench.contracts.steps import Call


def _nothing() -> None:
    """What a round runs whose seconds are known."""


@dataclass
class Playback:
    """A clock that gives each round its seconds; after the last one the step itself runs, for the profile
    that `--benchmark-cprofile` makes then."""

    readings: Iterator[float]
    left: int
    setup: Call = _nothing
    step: Call = _nothing

    def convbench_sampler(self) -> float:
        """The time: before a round, and after it. The name stands in pytest-benchmark's JSON."""
        return next(self.readings)

    def prepare(self) -> None:
        """Ahead of a round."""
        if not self.left:
            self.setup()

    def run(self) -> None:
        """A round."""
        if not self.left:
            self.step()
        else:
            self.left -= 1


def play(benchmark: Any, seconds: Sequence[float], setup: Call = _nothing, step: Call = _nothing) -> None:
    """Make these seconds the rounds of pytest-benchmark's fixture."""
    ends = list(accumulate(seconds))
    moments = [moment for begin, end in zip([0.0, *ends], ends, strict=False) for moment in (begin, end)]
    playback = Playback(iter(moments), len(seconds), setup, step)
    # The fixture takes a clock from an option or a mark alone, and both are read before the test runs.
    benchmark._timer = playback.convbench_sampler
    benchmark.pedantic(playback.run, setup=playback.prepare, rounds=len(seconds))
