"""The timed phases as a JSON file of pytest-benchmark, which `pytest-benchmark compare` and dashboards read.

A round is the median of a process, so its statistics are those of processes.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from bench.schema.plain_text import encode
from bench.schema.pytest_json import SavedBenchmark
from models.errors import UserError
from reports.document import Document, Origin

VERSION = "5.1.0"
"""Of pytest-benchmark, whose form the file has."""
NEEDS_TIMES = True
"""Only a document with timed phases can be written so."""


def render(document: Document) -> str:
    """One object, indented. Raises UserError for a document without timed phases."""
    if not document.benchmarks:
        raise UserError(
            "this report has no times of steps, which is all that a file of pytest-benchmark holds. "
            "Use --format json"
        )
    return msgspec.json.format(encode(_fields(document)), indent=4).decode() + "\n"


def _fields(document: Document) -> dict[str, Any]:
    origin = document.origin or Origin()
    machine = ", ".join(origin.machines)
    return {
        "machine_info": {
            "node": machine,
            "cpu": {"brand_raw": machine},
            "convbench": {"versions": origin.versions, "commands": origin.commands},
        },
        "commit_info": {
            "id": ", ".join(origin.commits) or None,
            "time": origin.finished_at,
            "dirty": None,
            "branch": None,
        },
        "benchmarks": [_benchmark(each) for each in document.benchmarks],
        "datetime": origin.finished_at or "",
        "version": VERSION,
    }


def _benchmark(found: SavedBenchmark) -> dict[str, Any]:
    data = found.stats.data if found.stats else []
    return {
        "group": found.group,
        "name": found.name,
        "fullname": found.fullname,
        "params": found.params,
        "param": None,
        "extra_info": found.extra_info,
        "options": found.options,
        "stats": statistics_of(data),
    }


def statistics_of(data: Sequence[float]) -> dict[str, Any]:
    """All that pytest-benchmark keeps of rounds; one at least. Quartiles are inclusive ones, and outliers are
    beyond 1.5 interquartile ranges, or beyond one standard deviation."""
    ordered = sorted(data)
    q1, _, q3 = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
    mean, spread = statistics.fmean(ordered), q3 - q1
    deviation = statistics.stdev(ordered) if len(ordered) > 1 else 0.0
    low = ordered[bisect_left(ordered, q1 - 1.5 * spread)]
    high = ordered[bisect_right(ordered, q3 + 1.5 * spread) - 1]
    far = sum(abs(each - mean) > deviation for each in ordered)
    outside = sum(not low <= each <= high for each in ordered)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": len(ordered),
        "median": statistics.median(ordered),
        "iqr": spread,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": outside,
        "stddev_outliers": far,
        "outliers": f"{far};{outside}",
        "ld15iqr": low,
        "hd15iqr": high,
        "ops": 1 / mean if mean else 0,
        "total": sum(ordered),
        "data": list(data),
        "iterations": 1,
    }
