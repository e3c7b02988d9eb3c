"""Series of an archive without the archive: a run each day, with the conditions that are planted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from bench.archive.case_series import CaseSeries, SeriesRun
from bench.stats.run_series import SeriesPoint

FIRST = date(2026, 1, 1)


def series(
    runs: int = 10,
    *,
    case: str = "vgg16/training/cuda/fp32/eager/nchw/b8/t2",
    drivers: Mapping[int, str] | None = None,
    skipped: frozenset[int] = frozenset(),
    kind: str = "NVIDIA H100",
    fingerprint: str = "f" * 16,
    model: str | None = None,
    origin: str = "",
) -> CaseSeries:
    """Run n is of day n, from 2026-01-01 on. `drivers` says from which run on."""
    days = [day for day in range(runs) if day not in skipped]
    return CaseSeries(
        case=case,
        model=case.partition("/")[0] if model is None else model,
        kind=kind,
        fingerprint=fingerprint,
        origin=origin,
        runs=tuple(_run(day, drivers or {}) for day in days),
        points=(SeriesPoint(log_seconds=0.0, scatter=None, processes=1),) * len(days),
    )


def _run(day: int, drivers: Mapping[int, str]) -> SeriesRun:
    driver = next((drivers[since] for since in sorted(drivers, reverse=True) if since <= day), "550")
    return SeriesRun(
        digest=f"{day:064x}",
        label="nightly",
        at=f"{FIRST + timedelta(days=day)}T02:00:00+00:00",
        conditions={"driver": driver, "torch": "2.11.0"},
    )
