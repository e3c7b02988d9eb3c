"""A benchmark of pytest-benchmark as a row of a table: its time, and what our own plugin says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct

from bench.schema.case import Case
from bench.schema.case_warnings import Label
from bench.schema.phases import PHASES, Phase, whole
from bench.schema.pytest_json import PLAIN_TIMERS, Outcome, SavedBenchmark, SavedStats
from bench.stats.diagnostics import corrected_interval
from bench.stats.estimates import Interval, across_processes, centre, median
from reports.cells import Scalar
from reports.summary.figures import case_row
from reports.summary.interval_fields import state_of
from reports.summary.timed_series import of_rounds

_STATUS: dict[str, Outcome] = {"ok": "ok", "reduced": "reduced", "oom": "oom"}
T = TypeVar("T")


class Work(Struct, frozen=True, kw_only=True):
    """What our plugin says a benchmark did.

    is_module  whether it is a module of the test's own, of which the case says only how it was measured
    batch      inputs of a round; None where nobody knows
    flops      of a round; None where they were not counted
    peak_bytes, peak_scope   of a round, and of which process: `in-process` or `child process`
    peak_rate, peak_source   FLOP/s that the device could reach, and who says so: `datasheet` or `nominal`
    device_seconds           by the device's own clock, where it has one
    precision                as read back
    """

    case: Case
    phase: Phase
    is_module: bool = False
    batch: int | None = None
    flops: int | None = None
    peak_bytes: int | None = None
    peak_scope: str = ""
    peak_rate: float | None = None
    peak_source: str = ""
    device_seconds: float | None = None
    precision: dict[str, str] = {}

    @property
    def is_whole(self) -> bool:
        """Whether a round handles its batch once."""
        return self.phase == whole(self.case)


class TimedBenchmark(Struct, frozen=True, kw_only=True):
    """One benchmark, of one process unless convbench itself wrote the file from a run of several.

    source    the file, as it was named; empty for the session that goes on
    medians   of each process; empty where there is no figure
    processes that were measured; their medians need not have been saved
    rounds    of the process; of several processes how many these are
    interval  of the median within the process, or across several; None where the rounds were not saved, or
              are too few
    reason    in a sentence, why there is no figure
    """

    name: str
    fullname: str
    group: str = ""
    source: str = ""
    medians: tuple[float, ...] = ()
    processes: int = 1
    rounds: int = 0
    interval: Interval | None = None
    labels: tuple[str, ...] = ()
    work: Work | None = None
    outcome: Outcome = "ok"
    reason: str = ""

    @property
    def seconds(self) -> float:
        """0 where there is no figure."""
        return centre(self.medians) if self.medians else 0.0

    @property
    def is_of_one(self) -> bool:
        """Whether one process measured it, so that its interval says nothing of others."""
        return self.processes < 2

    @property
    def images_per_second(self) -> float | None:
        """Only of a whole step whose batch is known."""
        known = self.work
        if known is None or known.batch is None or not known.is_whole or self.seconds <= 0:
            return None
        return known.batch / self.seconds

    @property
    def flops_per_second(self) -> float | None:
        """None where FLOPs were not counted."""
        flops = self.work.flops if self.work else None
        return flops / self.seconds if flops and self.seconds > 0 else None

    @property
    def share_of_peak(self) -> float | None:
        """None where the device's rate is not known, or is no peak, since more was reached."""
        rate, peak = self.flops_per_second, self.work.peak_rate if self.work else None
        return rate / peak if rate and peak and rate <= peak else None

    def as_row(self) -> dict[str, Scalar]:
        """The flat row that programs read."""
        fields: dict[str, Scalar] = {
            "phase": self.work.phase if self.work else None,
            "metric": "wall_time",
            "unit": "s",
            "median": self.seconds if self.outcome == "ok" else None,
            "low": self.interval.low if self.interval else None,
            "high": self.interval.high if self.interval else None,
            "processes": self.processes,
            "samples": self.rounds,
            "interval": self.interval.kind if self.interval else None,
            "images_per_second": self.images_per_second,
            "warnings": ", ".join(self.labels),
            "state": state_of(self.seconds, self.interval, by_shares=True),
            "benchmark": self.fullname,
            "group": self.group,
            "source": self.source,
            "status": self.outcome,
            "reason": self.reason or None,
            "flops_per_second": self.flops_per_second,
            "share_of_peak": self.share_of_peak,
            "peak_bytes": self.work.peak_bytes if self.work else None,
            "device_seconds": self.work.device_seconds if self.work else None,
        }
        return case_row(self.work.case, fields) if self.work else fields


def timed(saved: SavedBenchmark, source: str = "") -> TimedBenchmark:
    """As the file has it; what our plugin writes is believed only where it is of the right type."""
    info, stats = saved.extra_info, saved.stats
    work = _work(info)
    data = stats.data if stats else []
    is_across = work is not None and info.get("interval_scope") == "across-processes"
    several = is_across and len(data) > 1
    return TimedBenchmark(
        name=saved.name,
        fullname=saved.fullname,
        group=saved.group or "",
        source=source,
        medians=tuple(data) if several else _medians(stats),
        processes=len(data) if several else _as(int, info.get("processes")) or 1 if is_across else 1,
        rounds=len(data) or (stats.rounds if stats else 0),
        interval=_across(data, info) if is_across else _interval(data, info, work),
        labels=tuple(dict.fromkeys((*_labels(info), *_timer(saved), *(() if several else _of_data(data))))),
        work=work,
        outcome=_outcome(info, work, stats.rounds if stats else 0),
        reason=_as(str, info.get("reason")) or "",
    )


def _medians(stats: SavedStats | None) -> tuple[float, ...]:
    """Of one process."""
    if stats is None:
        return ()
    return (median(stats.data) if stats.data else stats.median,)


def _outcome(info: dict[str, Any], work: Work | None, rounds: int) -> Outcome:
    """Older plugins wrote no status, and their reduced runs had one round and no interval."""
    said = _STATUS.get(str(info.get("status")))
    if work is None and said != "oom":
        return "ok"
    if said is not None:
        return said
    return "reduced" if rounds == 1 and "interval" not in info else "ok"


def _work(info: dict[str, Any]) -> Work | None:
    """None of a benchmark that is not our plugin's."""
    case, phase = _as(Case, info.get("case")), info.get("phase")
    if case is None or phase not in PHASES:
        return None
    sizes = _as(dict[str, int], info.get("bytes")) or {}
    is_module = info.get("module") is True
    return Work(
        case=case,
        phase=phase,
        is_module=is_module,
        batch=_as(int, info.get("batch")) if is_module or "batch" in info else case.batch,
        flops=_as(int, info.get("flops")),
        peak_bytes=sizes.get("peak_allocated", sizes.get("peak_resident")),
        peak_scope=_as(str, info.get("bytes_scope")) or "",
        peak_rate=_as(float, info.get("peak_flops_per_second")),
        peak_source=_as(str, info.get("peak_source")) or "",
        device_seconds=_as(float, info.get("device_time")),
        precision=_as(dict[str, str], info.get("effective")) or {},
    )


def _across(medians: Sequence[float], info: dict[str, Any]) -> Interval | None:
    """As the run's report had it, which knew its other cases."""
    ends = _as(tuple[float, float], info.get("interval"))
    if ends and 0 < ends[0] <= ends[1]:
        return Interval(*ends, "across-processes")
    return across_processes(medians) if medians else None


def _interval(data: Sequence[float], info: dict[str, Any], work: Work | None) -> Interval | None:
    """Within the process; where its rounds were not saved what our plugin found."""
    if data:
        return corrected_interval(data)
    ends = _as(tuple[float, float], info.get("interval")) if work else None
    return Interval(*ends, "within-process") if ends and 0 < ends[0] <= ends[1] else None


def _labels(info: dict[str, Any]) -> list[str]:
    """Of our plugin's warnings."""
    return [word for word in _as(list[str], info.get("labels")) or () if word in get_args(Label)]


def _timer(saved: SavedBenchmark) -> list[str]:
    """That the figure is no wall time."""
    timer = _as(str, saved.options.get("timer")) or ""
    return [] if timer in PLAIN_TIMERS else [f"timer {timer}"]


def _of_data(data: Sequence[float]) -> list[str]:
    """What makes their median less sure than its interval says."""
    return [each.label for each in of_rounds("step", data)] if data and min(data) > 0 else []


def _as(kind: type[T], value: object) -> T | None:
    """The value, if it is of this kind."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None
