"""What a JSON file of pytest-benchmark holds, as far as it is read here. All times are in seconds.

Such files come from any suite: fields that are not named here are ignored, and what `extra_info` holds is
believed only where it is as the plugin writes it (`reports.pytest_files.timed_benchmark`).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from bench.schema.case import Case
from bench.schema.phases import Phase

Outcome = Literal["ok", "reduced", "oom"]
"""What `extra_info["status"]` says: measured, run once at a reduced size, or out of memory."""
PLAIN_TIMERS = ("", "perf_counter", "perf_counter_ns", "convbench_sampler")
"""Timers of wall time; another one, such as process_time, measures something else."""
FAILED_BENCHMARKS = "convbench_failed"
"""The key of the list of benchmarks that gave no figure, each with its `name`, `fullname` and `extra_info`:
among the others, which have `stats`, pytest-benchmark could not read them."""


class SavedStats(Struct, frozen=True, kw_only=True):
    """Of the rounds of one benchmark. `data`, one time for each, is missing where it was not saved."""

    median: float
    rounds: int
    data: list[float] = []


class SavedBenchmark(Struct, frozen=True, kw_only=True):
    """One benchmark; `stats` is None of one that gave no figure."""

    name: str
    fullname: str
    group: str | None = None
    params: dict[str, Any] | None = None
    stats: SavedStats | None = None
    options: dict[str, Any] = {}
    extra_info: dict[str, Any] = {}


class SavedSession(Struct, frozen=True, kw_only=True):
    """A file. `failed` is our own list (FAILED_BENCHMARKS)."""

    benchmarks: list[SavedBenchmark]
    failed: list[SavedBenchmark] = field(default_factory=list, name=FAILED_BENCHMARKS)
    machine_info: dict[str, Any] = {}
    commit_info: dict[str, Any] = {}
    datetime: str = ""
    version: str = ""


def parameters_of(case: Case, phase: Phase) -> dict[str, str | int]:
    """`--benchmark-group-by=param:batch,param:precision` groups by these, and the CSV has them as columns."""
    return {
        "model": case.model,
        "workload": case.workload,
        "device": case.device,
        "precision": case.precision,
        "engine": case.engine,
        "layout": case.layout,
        "batch": case.batch,
        "phase": phase,
    }


def group_of(case: Case, phase: Phase) -> str:
    """A table ranks what stands in one group: only what does the same in the same precision."""
    return f"{case.workload} {phase} {case.precision} {case.layout} b{case.batch}"
