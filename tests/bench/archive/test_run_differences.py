"""What differs between two runs, in the order in which one looks at it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.archive import case_series
from bench.archive.case_series import SeriesRun
from bench.archive.run_conditions import conditions_of
from bench.archive.run_differences import Difference, differences
from bench.schema.record import Environment
from tests.planted.planted_nights import began
from tests.planted.planted_records import GPU, MACHINE

KNOWN = structs.replace(GPU, uuid="GPU-1", vbios="96.00")
BEFORE = structs.replace(MACHINE, gpu=KNOWN)


def run(environment: Environment) -> SeriesRun:
    conditions = conditions_of([environment], "Test GPU")
    return SeriesRun(digest="0" * 64, label="", at="2026-01-01T00:00:00+00:00", conditions=conditions)


def test_equal_runs_differ_in_nothing() -> None:
    assert differences(run(BEFORE), run(BEFORE)) == ()


def test_versions_come_first_and_the_host_last() -> None:
    after = structs.replace(
        BEFORE,
        host="other",
        commit="def5678",
        python="3.12.1",
        variables={"OMP_NUM_THREADS": "2"},
        libraries={"torch": "2.12.0", "triton": "3.1"},
        gpu=structs.replace(KNOWN, vbios="97.00", driver="560.1", locked_clocks_mhz=1410),
    )
    assert differences(run(BEFORE), run(after)) == (
        Difference("driver", "550.1", "560.1"),
        Difference("torch", "2.11.0", "2.12.0"),
        Difference("clock setting", "not locked", "SM locked at 1410 MHz"),
        Difference("VBIOS", "96.00", "97.00"),
        Difference("commit", "abc1234", "def5678"),
        Difference("OMP_NUM_THREADS", None, "2"),
        Difference("triton", None, "3.1"),
        Difference("Python", "3.11.9", "3.12.1"),
        Difference("host", "lab", "other"),
    )


@pytest.mark.parametrize("field", ["driver", "vbios", "cudnn"])
def test_what_the_driver_did_not_say_is_no_difference(field: str) -> None:
    silent = structs.replace(BEFORE, gpu=structs.replace(KNOWN, **{field: None}))
    assert differences(run(BEFORE), run(silent)) == differences(run(silent), run(BEFORE)) == ()


@pytest.mark.parametrize(
    ("night", "names"),
    [
        (45, ["host"]),
        (120, ["commit"]),
        (140, []),
        (240, ["driver"]),
        (280, ["torch"]),
        (310, ["clock setting"]),
    ],
)
def test_in_the_planted_year_what_changed_is_named(planted_year: Path, night: int, names: list[str]) -> None:
    runs = [run for each in case_series.read(planted_year).series[1:2] for run in each.runs]
    at = next(at for at, run in enumerate(runs) if run.at >= began(night).isoformat())
    assert [each.name for each in differences(runs[at - 1], runs[at])] == names
