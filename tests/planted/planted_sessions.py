"""Files of pytest-benchmark with known answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.schema.case import Case

ROUNDS = (0.97, 0.98, 0.99, 1.0, 1.01, 1.02, 1.03)
"""Of one benchmark, relative to their median; their 95% interval is the whole range."""


def benchmark(name: str, seconds: float, *, saves_data: bool = True, **more: Any) -> dict[str, Any]:
    """Of a suite that knows nothing of convbench."""
    data = [seconds * each for each in ROUNDS]
    stats: dict[str, Any] = {"median": seconds, "rounds": len(data), "min": data[0], "ops": 1 / seconds}
    if saves_data:
        stats["data"] = data
    plain = {"name": name, "fullname": f"tests/test_speed.py::{name}", "group": None, "stats": stats}
    return plain | {"params": None, "options": {"timer": "perf_counter"}, "extra_info": {}} | more


def of_case(name: str, case: Case, seconds: float, **info: Any) -> dict[str, Any]:
    """As our own plugin writes it."""
    known = {
        "status": "ok",
        "case": msgspec.to_builtins(case),
        "phase": "forward",
        "effective": {"conv": "ieee", "matmul": "ieee", "threads": "2"},
        "bytes": {"weights": 4, "peak_resident": 2**20},
        "bytes_scope": "in-process",
        "flops": 10**9,
        "interval": [0.97 * seconds, 1.03 * seconds],
        "interval_scope": "within-process",
        "labels": ["launch-bound"],
        "warnings": ["launch-bound: host time is 1.2 x device time"],
        "peak_flops_per_second": 10**11,
        "peak_source": "nominal",
    }
    return benchmark(name, seconds, extra_info=known | info)


def write(path: Path, benchmarks: Sequence[dict[str, Any]], **more: Any) -> Path:
    """A file of these."""
    machine = {"node": "lab", "cpu": {"brand_raw": "Test CPU"}, "python_version": "3.11.9"}
    session = {"machine_info": machine, "commit_info": {"id": "abc1234"}, "version": "5.3.1"}
    path.write_text(json.dumps(session | {"benchmarks": list(benchmarks), "datetime": "2026-01-01"} | more))
    return path
