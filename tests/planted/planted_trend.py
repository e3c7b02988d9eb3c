"""A trend with known answers: series of nightly runs, and what is found in them, without an archive."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from msgspec import structs

from bench.archive.case_series import CaseSeries, SeriesRun
from bench.archive.run_differences import Difference, differences
from bench.archive.step_names import step_name
from bench.schema.acknowledgement import Acknowledgement, What
from bench.stats.run_series import Boundary, Changes, Drift, Level, SeriesPoint, Shift, Step
from reports.over_time.reverted import with_reverted
from reports.over_time.trended import ToldChange, Trended, TrendedSeries

FIRST = date(2026, 1, 1)
KIND = "NVIDIA H100"
SPREAD = 0.008
MODELS = ("lenet5", "alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11-bn", "vgg13-bn")
NEW_DRIVER = 72
"""The run from which on the driver is another one: 14 March, as nothing is missing before."""


def runs(
    nights: int, missing: frozenset[int] = frozenset(), undated: frozenset[int] = frozenset()
) -> tuple[SeriesRun, ...]:
    """One a night from 2026-01-01 on; the commit changes every tenth night."""
    return tuple(
        SeriesRun(
            digest=f"{night + 1:05x}" + "ab" * 29 + "c",
            label="nightly",
            at=f"{FIRST + timedelta(days=night)}T02:00:00+00:00",
            is_dated=night not in undated,
            conditions={
                "driver": "575.51" if night < NEW_DRIVER else "580.10",
                "torch": "2.11.0",
                "clock setting": "SM locked at 1980 MHz",
                "commit": f"{night // 10:07x}" + "0" * 33,
                "host": "node1",
            },
        )
        for night in range(nights)
        if night not in missing
    )


def shift(share: float, half: float = 0.006) -> Shift:
    """0.03 is 3% slower; `half` is half its interval."""
    log = math.log1p(share)
    return Shift(log_ratio=log, low=log - half, high=log + half)


def series(
    own: tuple[SeriesRun, ...],
    *,
    case: str = "vgg16/training/cuda/fp32/eager/nchw/b8/t2",
    seconds: float = 0.1,
    steps: Mapping[int, float] | None = None,
    drift: float = 0.0,
    outliers: Sequence[int] = (),
    processes: int = 5,
    kind: str = KIND,
    origin: str = "",
    seed: int = 0,
) -> TrendedSeries:
    """What is planted is found, at the very run. A step at the run of a new driver is its boundary's."""
    random, count = np.random.default_rng(seed), len(own)
    logs = math.log(seconds) + random.normal(0, SPREAD, count) + drift * np.arange(count)
    for at, share in (steps or {}).items():
        logs[at:] += math.log1p(share)
    for at in outliers:
        logs[at] += 0.3
    new_driver = next((at for at in range(1, count) if _drivers(own[at - 1], own[at])), None)
    of = CaseSeries(
        case=case,
        model=case.split("/")[0],
        kind=kind,
        fingerprint="f" * 16,
        origin=origin,
        runs=own,
        points=tuple(
            SeriesPoint(
                log_seconds=float(log),
                scatter=0.005 if processes > 1 else None,
                processes=processes,
                is_boundary=at == new_driver,
            )
            for at, log in enumerate(logs)
        ),
    )
    changes = _changes(of, steps or {}, drift, outliers, new_driver)
    return TrendedSeries(series=of, changes=changes, told=tuple(_told(of, changes)))


def _drivers(before: SeriesRun, after: SeriesRun) -> bool:
    return before.conditions["driver"] != after.conditions["driver"]


def _changes(
    of: CaseSeries, steps: Mapping[int, float], drift: float, outliers: Sequence[int], boundary: int | None
) -> Changes:
    count = len(of.points)
    cuts = sorted({0, *steps, count})
    levels = []
    for first, end in itertools.pairwise(cuts):
        own = [of.points[at].log_seconds for at in range(first, end) if at not in outliers]
        mean, half = sum(own) / len(own), 2 * SPREAD / math.sqrt(len(own))
        levels.append(Level(first=first, last=end - 1, log_seconds=mean, low=mean - half, high=mean + half))
    found = [
        Step(at=at, earliest=at, latest=at, told_at=min(at + 2, count - 1), shift=shift(share))
        for at, share in steps.items()
        if at != boundary
    ]
    share = steps.get(boundary, 0.0) if boundary is not None else 0.0
    return Changes(
        steps=tuple(found),
        boundaries=()
        if boundary is None
        else (
            Boundary(
                at=boundary,
                told_at=boundary + 2 if share else None,
                shift=shift(share) if share else shift(0.001, 0.003),
            ),
        ),
        drifts=(Drift(first=0, last=count - 1, told_at=min(30, count - 1), per_run=shift(drift, drift / 10)),)
        if drift
        else (),
        outliers=tuple(outliers),
        levels=tuple(levels),
        spread=SPREAD,
    )


def _told(of: CaseSeries, changes: Changes) -> list[ToldChange]:
    found = [_change(of, "step", step.at, step.told_at, step.shift) for step in changes.steps]
    found += [
        _change(of, "boundary", each.at, each.told_at, each.shift)
        for each in changes.boundaries
        if each.told_at is not None and each.shift is not None
    ]
    for drift in changes.drifts:
        length = drift.last - drift.first
        whole = Shift(
            log_ratio=length * drift.per_run.log_ratio,
            low=length * drift.per_run.low,
            high=length * drift.per_run.high,
        )
        found.append(_change(of, "drift", drift.first, drift.told_at, whole))
    return list(with_reverted(sorted(found, key=lambda change: change.at)))


def _change(of: CaseSeries, what: What, at: int, told_at: int, size: Shift) -> ToldChange:
    differing: tuple[Difference, ...] = differences(of.runs[at - 1], of.runs[at]) if at else ()
    return ToldChange(
        name=step_name(of, at), what=what, at=at, told_at=told_at, shift=size, differences=differing
    )


def acknowledged(trended: TrendedSeries, why: str = "known") -> TrendedSeries:
    """The same with an answer to each of its changes."""
    of = trended.series
    told = tuple(
        structs.replace(
            each,
            acknowledged=Acknowledgement(
                case=of.case,
                kind=of.kind,
                fingerprint=of.fingerprint,
                origin=of.origin,
                what=each.what,
                run=of.runs[each.at].digest,
                run_at=of.runs[each.at].at,
                by="ada",
                acknowledged_at="2026-04-01T09:00:00+00:00",
                why=why,
            ),
        )
        for each in trended.told
    )
    return structs.replace(trended, told=told)


def cases(count: int) -> list[str]:
    """Ids: each network for inference and training, then with larger batches."""
    workloads = ("inference", "training")
    return [
        f"{MODELS[at % 8]}/{workloads[at // 8 % 2]}/cuda/fp32/eager/nchw/b{8 * (1 + at // 16)}/t2"
        for at in range(count)
    ]


def year(nights: int = 90, count: int = 40) -> Trended:
    """Of `count` cases most did not change. VGG-16 training got 3.1% slower with a new driver, AlexNet 1% by
    a step. VGG-11 drifts, VGG-13 got faster, VGG-19 has outliers; of LeNet-5 a step is acknowledged."""
    own = runs(nights, missing=frozenset({20, 21}), undated=frozenset({30}))
    planted: dict[int, dict[str, object]] = {
        12: {"steps": {NEW_DRIVER - 2: 0.031}},
        1: {"steps": {40: 0.01}},
        2: {"drift": 0.0004},
        3: {"steps": {50: -0.05}},
        5: {"outliers": (33, 61)},
        0: {"steps": {25: 0.02}},
    }
    found = [
        series(own, case=case, seconds=0.01 * 2.0 ** (at % 8), seed=at, **planted.get(at, {}))  # type: ignore[arg-type]
        for at, case in enumerate(cases(count))
    ]
    found[0] = acknowledged(found[0], "a slower but correct normalization")
    return Trended(archive=Path("convbench-archive"), label="nightly", series=tuple(found))
