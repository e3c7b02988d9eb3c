"""What `convbench trend` shows: the series of an archive, what changed in them, and what was answered."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from bench.archive.case_series import CaseSeries
from bench.archive.run_differences import Difference
from bench.schema.acknowledgement import Acknowledgement, What
from bench.stats.run_series import Changes, Shift


class ToldChange(Struct, frozen=True, kw_only=True):
    """A change of one series that was told.

    name          as `trend ack` takes it: `vgg16-3f9c21ab`
    at            the first run after it, counted from 0 in its series; of a drift its first run
    told_at       the run after which it was told first
    shift         after against before; of a drift its last run against its first
    differences   of the last run that is surely before it and the first surely after; of a drift's first and
                  last run
    acknowledged  None where nobody answered for it
    reverted      the change that took it back; None of one that lasts
    reverts       the first run after the change that this one took back
    """

    name: str
    what: What
    at: int
    told_at: int
    shift: Shift
    differences: tuple[Difference, ...] = ()
    acknowledged: Acknowledgement | None = None
    reverted: ToldChange | None = None
    reverts: int | None = None

    @property
    def is_slower(self) -> bool:
        return self.shift.log_ratio > 0

    @property
    def is_confirmed(self) -> bool:
        """Whether all runs together still show that it is one: its interval does not hold zero."""
        return self.shift.low > 0 or self.shift.high < 0

    @property
    def is_lasting(self) -> bool:
        """Confirmed, and neither taken back nor what took another back."""
        return self.is_confirmed and self.reverted is None and self.reverts is None

    @property
    def last_told_at(self) -> int:
        """The run that told the latest of it: itself, or that it is over."""
        return self.told_at if self.reverted is None else self.reverted.told_at


class TrendedSeries(Struct, frozen=True, kw_only=True):
    """A series with all that is found in it, and its told changes, the oldest first."""

    series: CaseSeries
    changes: Changes
    told: tuple[ToldChange, ...] = ()


class Trended(Struct, frozen=True, kw_only=True):
    """What is shown of an archive.

    label      of the runs, or None for all
    since      ISO date: told changes are those of since then, lines are shown from there; None for all
    series     those that were asked for
    ended      of each series that was asked for but has no run since then, when its last one was measured
    left_out   how many series were not asked for; they take part in the spread between runs
    damaged    a sentence for each run that cannot be read
    """

    archive: Path
    label: str | None = None
    since: str | None = None
    series: tuple[TrendedSeries, ...]
    ended: tuple[str, ...] = ()
    left_out: int = 0
    damaged: tuple[str, ...] = ()
