"""Who else used the processor while a case was measured: /proc and getrusage, read before and after."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from bench.contracts.monitor import WindowReadings, Work
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement

MOST_STEAL = 0.01
"""Above this share of stolen time a window is labelled: docs/method.md, "What a label means"."""


@dataclass(frozen=True)
class Reading:
    """Counters of one moment, since the machine's or the process's start."""

    wall_seconds: float
    process_seconds: float
    involuntary_switches: int
    steal_ticks: int
    all_ticks: int
    load_average: float


def read(stat: Path = Path("/proc/stat")) -> Reading:
    """The present counters. `stat` is the kernel's file or a test's."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    ticks = [int(field) for field in stat.read_text().splitlines()[0].split()[1:9]]
    return Reading(
        wall_seconds=time.perf_counter(),
        process_seconds=usage.ru_utime + usage.ru_stime,
        involuntary_switches=usage.ru_nivcsw,
        steal_ticks=ticks[7] if len(ticks) > 7 else 0,
        all_ticks=sum(ticks),
        load_average=os.getloadavg()[0],
    )


class ContentionMonitor:
    """Watches who else uses the processor; `threads` are those of the measured process.

    More than MOST_STEAL spoils a window but leaves it usable: on a shared machine there may be no better, and
    a device behind a queue hardly notices.
    """

    def __init__(self, threads: int, stat: Path = Path("/proc/stat")) -> None:
        self._threads = threads
        self._stat = stat
        self.before()

    def before(self) -> None:
        self._start = self._last = read(self._stat)

    def end(self) -> None:
        self._last = read(self._stat)

    def after(self, work: Work) -> WindowReadings:
        measured, labels = between(self._start, self._last, self._threads)
        return WindowReadings(tuple(measured), tuple(labels), disturbed=labels[0] if labels else None)


def steal_share(before: Reading, after: Reading) -> float:
    """The share of all processors' time that other virtual machines took."""
    return (after.steal_ticks - before.steal_ticks) / max(1, after.all_ticks - before.all_ticks)


def between(before: Reading, after: Reading, threads: int) -> tuple[list[Measurement], list[CaseWarning]]:
    """The window's contention as measurements, and its labels."""
    wall = max(after.wall_seconds - before.wall_seconds, 1e-9)
    steal = steal_share(before, after)
    utilisation = (after.process_seconds - before.process_seconds) / (wall * threads)
    facts = {
        "steal_share": (steal, "1"),
        "cpu_utilisation": (utilisation, "1"),
        "involuntary_switches": (after.involuntary_switches - before.involuntary_switches, "count"),
        "load_average": (after.load_average, "1"),
    }
    measured = [
        Measurement(phase="window", metric=metric, unit=unit, samples=[float(value)])
        for metric, (value, unit) in facts.items()
    ]
    if steal > MOST_STEAL:
        return measured, [CaseWarning("steal", f"other machines took {100 * steal:.1f}% of the processor")]
    return measured, []
