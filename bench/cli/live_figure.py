"""What a person sees while one case is measured: its figure so far, on one line that is written anew.

Written when a process starts and when one has ended, and by no thread of its own: that would take processor
time from what is measured. Nothing is shown where standard error is no terminal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.cli import half_widths
from bench.runner.precision import Precision
from bench.schema.phases import whole
from bench.schema.plurals import how_many
from bench.schema.record import FAILED, find
from bench.stats.estimates import centre, median

if TYPE_CHECKING:
    from bench.runner.events import OnProgress, Progress

Clock = Callable[[], float]


class FigureSoFar:
    """What the processes that have ended say, in words."""

    def __init__(self, until: float, clock: Clock = time.monotonic) -> None:
        """Of none; `until` is the half width (relative) that is asked for."""
        self._until, self._clock = until, clock
        self._began = clock()
        self._medians: list[float] = []
        self._precision = Precision()
        self._failed = 0

    def told(self, event: Progress) -> str:
        """`vgg16: 219.3 ms ±4.5%, 4.56 images/s, 3 processes, 11 s; process 4`"""
        record = event.record
        if record is not None:
            self._precision.add(record)
            self._failed += record.status in FAILED
            phase = whole(record.case)
            timed = find(record.measurements, phase, "wall_time") if phase and record.status == "ok" else None
            self._medians += [median(timed.samples)] if timed else []
        now = f"process {event.case.replicate}" if record is None else "..."
        return f"{event.case.model}: {self._figure(event)}{self._clock() - self._began:.0f} s; {now}"

    def _figure(self, event: Progress) -> str:
        failed = f"{self._failed} failed, " if self._failed else ""
        if not self._medians:
            return failed
        seconds = centre(self._medians)
        width = self._precision.widths(self._until).get(event.case.without_replicate())
        interval = "" if width is None else f" {half_widths.in_words(width.half, '±')}"
        processes = how_many(len(self._medians), "process", "processes")
        speed = event.case.batch / seconds
        return f"{1e3 * seconds:.4g} ms{interval}, {speed:.4g} images/s, {failed}{processes}, "


@contextmanager
def live_figure(until: float) -> Iterator[OnProgress]:
    """A function to be told of every process that starts or ends."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    # FORCE_COLOR makes rich take a file for a terminal, and the line is for eyes alone.
    console = Console(stderr=True, force_terminal=sys.stderr.isatty())
    if not console.is_terminal:
        yield lambda event: None
        return
    found = FigureSoFar(until)
    with Live(Text("starting"), console=console, auto_refresh=False, transient=True) as line:
        yield lambda event: line.update(Text(found.told(event)), refresh=True)
