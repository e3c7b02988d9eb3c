"""What standard error shows of a run where no terminal shows a bar: a line for each process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.cli import kept_run, output
from bench.runner.run_folder import log_of
from bench.schema import durations
from bench.schema.phases import whole
from bench.schema.record import FAILED, Measurement, Record, find
from bench.stats.estimates import median

if TYPE_CHECKING:
    from bench.runner.events import Progress

Clock = Callable[[], float]


class CaseLines:
    """Counts the processes that end, and estimates how long the rest takes by how long they took."""

    def __init__(self, clock: Clock = time.monotonic, *, in_seconds: bool = False) -> None:
        """With `in_seconds` a command counts the seconds of its budget in the place of processes."""
        self._clock, self._in_seconds = clock, in_seconds
        self._began = self._last = clock()
        self._ended = 0

    def told(self, event: Progress) -> str:
        """`3/38 vgg16/.../t2 #1: 126 ms, took 12 s, about 7 minutes left`; `4/38 crashed: vgg16/...: why`"""
        record = event.record
        assert record is not None
        now = self._clock()
        took, self._last = now - self._last, now
        self._ended += 1
        left = 0 if self._in_seconds else (event.total - event.done) * (now - self._began) / self._ended
        count = f"{event.done}/{event.total}{' s' if self._in_seconds else ''}"
        name = f"{event.case.id} #{event.case.replicate}"
        times = f"took {durations.in_words(took)}" + (
            f", about {durations.in_words(left)} left" if left else ""
        )
        if has_no_figures(record):
            return f"{count} {failure(event)} ({times})"
        return f"{count} {name}: {', '.join((*_figures(record), times))}"


def has_no_figures(record: Record) -> bool:
    """Whether its process failed, or was never started."""
    return record.status in (*FAILED, "skipped")


def failure(event: Progress) -> str:
    """`crashed: vgg16/...: why`, with the path of its log where --verbose asks for it."""
    record, folder = event.record, kept_run.current.folder
    assert record is not None
    log = log_of(event.case, folder) if folder is not None and output.settings.is_verbose else None
    where = f"; log: {log}" if log is not None and log.exists() else ""
    return f"{record.status}: {event.case.id}: {record.reason}{where}"


def _figures(record: Record) -> list[str]:
    """Its time, and where --verbose asks for it of how many samples."""
    timed = _timed(record)
    if timed is None or not timed.samples:
        return []
    count = [f"{len(timed.samples)} samples"] if output.settings.is_verbose else []
    return [f"{1e3 * median(timed.samples):.3g} ms", *count]


def _timed(record: Record) -> Measurement | None:
    phase = whole(record.case)
    return find(record.measurements, phase, "wall_time") if phase else None
