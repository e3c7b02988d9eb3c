"""What a test asserts on: the figures of one benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest
from msgspec import Struct

T = TypeVar("T")


class Benchmarked(Struct, frozen=True, kw_only=True):
    """The figures of a step, or of one phase of it, in this process or over several.

    Where pytest-benchmark is disabled, the step ran once at a reduced size and has no figures: asking for one
    skips the rest of the test.

    is_measured  whether there are figures
    seconds      of each round, in the order in which they were taken; of several processes their medians
    ends         of the 95% interval of the median, s: within this process, None for fewer than six rounds;
                 or over the processes
    center       of the interval over several processes, s; None for one
    processes    that were measured
    size         bytes of the peak over what was in use before the network existed (of a module of the
                 test's own: before its step); None where the device does not say
    work         FLOPs of the phase for the whole batch; None where they cannot be counted
    batch        inputs of a step; None for inputs of the test's own
    warnings     labels with their sentences, such as `bimodal: ...` (docs/method.md, "What a label means")
    """

    is_measured: bool
    seconds: tuple[float, ...] = ()
    ends: tuple[float, float] | None = None
    center: float | None = None
    processes: int = 1
    size: int | None = None
    work: int | None = None
    batch: int | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """What pytest shows of a failed assertion: a line, not a thousand rounds."""
        if not self.is_measured:
            return "Benchmarked(not measured)"
        found = f"median={self.median:.4g} s, interval={self.ends}, peak_bytes={self.size}, flops={self.work}"
        return f"Benchmarked({found})"

    @property
    def median(self) -> float:
        """Seconds of a step or phase."""
        from bench.stats.estimates import median

        if self.center is not None:
            return self.center
        return median(self._measured(self.seconds))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of the median in seconds. That of one process says nothing of others, which may be
        faster or slower."""
        return self._measured(self.ends)

    @property
    def samples(self) -> Sequence[float]:
        """Seconds of each round, or process medians."""
        return self._measured(self.seconds)

    @property
    def peak_bytes(self) -> int | None:
        """Bytes of the peak."""
        return self._measured(self.size)

    @property
    def flops(self) -> int | None:
        """FLOPs of the phase for the whole batch, of which a step at a reduced size has fewer."""
        return self._measured(self.work)

    @property
    def images_per_second(self) -> float | None:
        """Inputs per second; None where the batch is not known."""
        return None if self.batch is None else self.batch / self.median

    def _measured(self, value: T) -> T:
        if not self.is_measured:
            pytest.skip("benchmarks are disabled: the step ran once, at a reduced size, and has no figures")
        return value
