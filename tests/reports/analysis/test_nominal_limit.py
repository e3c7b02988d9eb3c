"""What holds a time back without measured ceilings: planted times, counts and a planted nominal rate."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Record
from reports.analysis.measured_ceilings import ceilings_of
from reports.analysis.nominal_limit import Limit, limit_of, whole_time
from reports.analysis.utilisation import Utilisation, reached
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.planted_ceilings import step

CPU = Case(model="vgg11", batch=8, threads=2)
CUDA = structs.replace(CPU, device="cuda")
NOMINAL = 200e9


def whole(tmp_path: Path, record: Record) -> Utilisation:
    summary = summarise([planted_records.write(tmp_path, [record])])
    found = whole_time(reached(summary.figures, ceilings_of(summary)))
    assert found is not None
    return found


def limit(tmp_path: Path, flops: float, nominal: float | None = NOMINAL, *warnings: CaseWarning) -> Limit:
    """Of a step of 0.1 s."""
    timed = planted_records.time("forward", 0.1)
    return limit_of(whole(tmp_path, step(CPU, timed, flops=flops, moved=1e9, warnings=warnings)), nominal)


@pytest.mark.parametrize(
    ("share", "label"),
    [
        (1.2, "compute-bound"),
        (0.85, "compute-bound"),
        (0.5, "compute-bound"),
        (0.49, "not known"),
        (0.15, "not known"),
        (0.14, "not arithmetic"),
        (0.001, "not arithmetic"),
    ],
)
def test_no_arithmetic_is_faster_than_the_nominal_rate(tmp_path: Path, share: float, label: str) -> None:
    found = limit(tmp_path, flops=share * NOMINAL * 0.1)
    assert found.label == label
    assert found.nominal_share == pytest.approx(share)
    assert "200 GFLOP/s" in found.why


def test_a_rate_that_is_not_known_says_nothing(tmp_path: Path) -> None:
    assert limit(tmp_path, 1e9, None) == Limit(label="not known", why="it takes measured ceilings")


def test_a_time_that_others_stretched_says_nothing(tmp_path: Path) -> None:
    found = limit(tmp_path, 1e9, NOMINAL, CaseWarning("contended", "other programs took 40%"))
    assert (found.label, found.nominal_share) == ("not known", None)


@pytest.mark.parametrize(("host", "label"), [(0.095, "launch-bound"), (0.02, "not known")])
def test_of_a_gpu_it_is_known_whether_it_waits(tmp_path: Path, host: float, label: str) -> None:
    clocks = {"device_time": 0.1, "wall_time": 0.1, "host_time": host}
    times = [planted_records.time("forward", seconds, metric) for metric, seconds in clocks.items()]
    warnings = (CaseWarning("launch-bound", ""),) if label == "launch-bound" else ()
    record = step(
        CUDA, *times, flops=1e9, moved=1e9, warnings=warnings, environment=planted_records.GPU_MACHINE
    )
    assert limit_of(whole(tmp_path, record), None).label == label
