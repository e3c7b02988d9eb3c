"""Timed phases as benchmarks of pytest-benchmark: a round of one is the median of a process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bench.schema.phases import PHASES, whole
from bench.schema.pytest_json import SavedBenchmark, SavedStats, group_of, parameters_of
from bench.stats.estimates import median
from reports.summary.figures import Figure, Summary
from reports.summary.subjects import Figures, Subject, by_subject

_CLOCK = "wall_time"
"""What pytest-benchmark measures too."""
_SIZES = ("weights", "gradients", "optimizer_state", "peak_allocated", "peak_requested", "peak_resident")


def timed_benchmarks(summary: Summary) -> tuple[SavedBenchmark, ...]:
    """One for each phase of each case, in the order of the records."""
    timed = [
        (subject, figures, figure)
        for subject, figures in by_subject(summary.figures).items()
        for figure in _times(figures)
    ]
    names = [f"{subject.case.id}[{figure.phase}]" for subject, _, figure in timed]
    counts = Counter(names)
    return tuple(
        _benchmark(name if counts[name] == 1 else f"{subject.name}[{figure.phase}]", subject, figures, figure)
        for name, (subject, figures, figure) in zip(names, timed, strict=True)
    )


def _times(figures: Figures) -> Iterator[Figure]:
    for phase in PHASES:
        found = figures.get((phase, _CLOCK))
        if found is not None and found.median > 0 and found.case.task is None:
            yield found


def _benchmark(name: str, subject: Subject, figures: Figures, time: Figure) -> SavedBenchmark:
    return SavedBenchmark(
        name=name,
        fullname=f"convbench::{name}",
        group=group_of(subject.case, time.phase),
        params=parameters_of(subject.case, time.phase),
        stats=SavedStats(median=median(time.medians), rounds=len(time.medians), data=list(time.medians)),
        options={"timer": "perf_counter"},
        extra_info=_described(subject, figures, time),
    )


def _described(subject: Subject, figures: Figures, time: Figure) -> dict[str, Any]:
    """As the plugin describes what it measures."""
    effective = subject.effective
    device = figures.get((time.phase, "device_time"))
    flops = _flops(figures, time)
    info: dict[str, Any] = {
        "status": "ok",
        "case": msgspec.to_builtins(subject.case),
        "phase": time.phase,
        "batch": subject.case.batch,
        "effective": dict(effective.precision) | dict(effective.machine),
        "bytes": _sizes(figures, time),
        "bytes_scope": "child process",
        "processes": len(time.medians),
        "samples": time.samples,
        "interval": [time.interval.low, time.interval.high] if time.interval else None,
        "interval_scope": time.interval.kind if time.interval else None,
        "labels": list(time.tags),
        "machines": list(time.machine),
    }
    if time.phase == whole(subject.case):
        info["images_per_second"] = time.images_per_second
    if device is not None:
        info["device_time"] = device.median
    if flops:
        info |= {"flops": flops, "flops_per_second": flops / time.median}
    return info


def _sizes(figures: Figures, time: Figure) -> dict[str, int]:
    found = [(name, figures.get((phase, name))) for name in _SIZES for phase in ("model", time.phase)]
    return {name: round(figure.median) for name, figure in found if figure is not None}


def _flops(figures: Figures, time: Figure) -> int | None:
    """Of a whole step the sum of its phases."""
    phases = ("forward", "backward") if time.phase == "step" else (time.phase,)
    counts = _known(figures, phases)
    return round(sum(each.median for each in counts)) if len(counts) == len(phases) else None


def _known(figures: Figures, phases: Sequence[str]) -> list[Figure]:
    found = (figures.get((phase, "flops")) for phase in phases)
    return [each for each in found if each is not None]
