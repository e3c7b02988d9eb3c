"""Who else used the processor while a case was measured: counters of the kernel, read before and after."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from bench.contracts.monitor import WindowReadings, Work
from bench.host.cpu_cores import cgroup_quota
from bench.host.processor_time import (
    STAT,
    TICK_SECONDS,
    Ticks,
    family_seconds,
    own_seconds,
    read_ticks,
    usable_processors,
)
from bench.schema.case_warnings import CONTENDED, CaseWarning
from bench.schema.record import Measurement

MOST_STEAL = 0.01
"""Above this share of stolen time a window is labelled: docs/method.md, "What a label means"."""
_UNSURE_TICKS = 2
"""Of each core at our work: what rounding at both ends of a window may add, and so proves nothing."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Reading:
    """Counters of one moment, since the machine's or the process's start.

    `process_seconds` is of the measured process, `family_seconds` of whom else the measuring needs. `ticks`
    is None where the kernel does not tell them.
    """

    wall_seconds: float
    process_seconds: float
    involuntary_switches: int
    load_average: float
    ticks: Ticks | None
    family_seconds: float = 0.0


class ContentionMonitor:
    """Watches who else uses the processor; `threads` are those of the measured process.

    More than MOST_STEAL spoils a window but leaves it usable: on a shared machine there may be no better, and
    a device behind a queue hardly notices. More than CONTENDED of other programs labels it where the work is
    the processor's own (`is_host`), and it is not taken again: they stay longer than a window.
    """

    def __init__(
        self, threads: int, *, is_host: bool = False, stat: Path = STAT, clock: Clock = time.perf_counter
    ) -> None:
        self._threads, self._is_host = threads, is_host
        self._stat, self._clock = stat, clock
        self._quota = cgroup_quota()
        self.before()

    def before(self) -> None:
        self._usable = usable_processors()
        self._start = self._last = _read(self._stat, self._usable, self._clock)

    def end(self) -> None:
        self._last = _read(self._stat, self._usable, self._clock)

    def after(self, work: Work) -> WindowReadings:
        window = Window(self._start, self._last, self._threads, self._quota)
        stolen = list(window.stolen())
        labels = (*stolen, *(window.contended() if self._is_host else ()), *self._unseen())
        return WindowReadings(tuple(window.measured()), labels, disturbed=stolen[0] if stolen else None)

    def _unseen(self) -> Iterator[CaseWarning]:
        if self._start.ticks is None or self._last.ticks is None:
            yield CaseWarning("no-others", f"{self._stat} cannot be read: load by other programs is unknown")


def _read(stat: Path, usable: Set[int], clock: Clock) -> Reading:
    try:
        ticks = read_ticks(stat, usable)
    except (OSError, ValueError, LookupError):
        ticks = None
    return Reading(
        wall_seconds=clock(),
        process_seconds=own_seconds(),
        involuntary_switches=resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
        load_average=os.getloadavg()[0],
        ticks=ticks,
        family_seconds=family_seconds(),
    )


def steal_share(before: Ticks, after: Ticks) -> float:
    """The share of all processors' time that other virtual machines took."""
    return max(0, after.stolen - before.stolen) / max(1, after.total - before.total)


@dataclass(frozen=True)
class Window:
    """What two readings say of the time between them; `quota` is what a control group grants, in cores."""

    start: Reading
    end: Reading
    threads: int
    quota: float | None = None

    def measured(self) -> Iterator[Measurement]:
        """Only what is known."""
        start, end = self.start, self.end
        facts = {
            "cpu_utilisation": ((end.process_seconds - start.process_seconds) / self._granted_seconds, "1"),
            "involuntary_switches": (end.involuntary_switches - start.involuntary_switches, "count"),
            "load_average": (end.load_average, "1"),
        }
        if start.ticks is not None and end.ticks is not None:
            facts["steal_share"] = (steal_share(start.ticks, end.ticks), "1")
            facts["others_share"] = (self._others_share(start.ticks, end.ticks), "1")
        for metric, (value, unit) in facts.items():
            yield Measurement(phase="window", metric=metric, unit=unit, samples=[float(value)])

    def stolen(self) -> Iterator[CaseWarning]:
        """A label where other virtual machines took too much."""
        if self.start.ticks is not None and self.end.ticks is not None:
            steal = steal_share(self.start.ticks, self.end.ticks)
            if steal > MOST_STEAL:
                yield CaseWarning("steal", f"other virtual machines took {100 * steal:.1f}% of CPU time")

    def contended(self) -> Iterator[CaseWarning]:
        """A label where other programs took too much, by more than a reading may be wrong."""
        if self.start.ticks is None or self.end.ticks is None:
            return
        if self._others_share(self.start.ticks, self.end.ticks, _UNSURE_TICKS) > CONTENDED:
            share = self._others_share(self.start.ticks, self.end.ticks)
            threads = "the thread" if self.threads == 1 else f"the {self.threads} threads"
            yield CaseWarning("contended", f"other programs took {share:.0%} of the time of {threads}")

    def _others_share(self, before: Ticks, after: Ticks, unsure_ticks: int = 0) -> float:
        """Processor time of others / (threads x wall). Where a control group grants fewer cores than there
        are to use, these cores' mean load is what its threads meet."""
        start, end = self.start, self.end
        ours = end.process_seconds + end.family_seconds - start.process_seconds - start.family_seconds
        unsure = unsure_ticks * min(self.threads, after.cores)
        busy = (after.busy - before.busy - unsure) * TICK_SECONDS
        met = 1.0 if self.quota is None else min(1.0, self.quota / after.cores)
        return max(0.0, busy - ours) * met / self._granted_seconds

    @property
    def _granted_seconds(self) -> float:
        return max(self.end.wall_seconds - self.start.wall_seconds, 1e-9) * self.threads
