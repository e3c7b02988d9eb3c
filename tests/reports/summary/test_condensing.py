"""Many records at once give what each gives by itself, to the last row of a report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Measurement, Record, Status
from bench.store import RECORDS, read_records
from reports.cells import Scalar
from reports.pages.run_report import build
from reports.summary import condensing, reading
from reports.summary.process import Process
from reports.summary.record_stream import read_records as read_stream
from tests.planted import planted_records
from tests.planted.commands import ROOT
from tests.planted.plain_processes import plain

FIXTURES = [
    ROOT / "tests" / "fixtures" / name
    for name in (
        *("schema_1_planted", "schema_2", "schema_2_planted", "schema_3", "schema_3_layers"),
        *("schema_3_planted", "schema_4", "schema_4_planted"),
    )
]
"""Runs of every kind: training runs, ceilings, layers, disturbed windows, a GPU's clocks, what failed."""
CASES = 40
PROCESSES = 50


def many() -> Iterator[Record]:
    """2,000 records of 40 cases: from 1 to 60 samples in no order, some with two modes, a drift or a zero."""
    draw = np.random.default_rng(11)
    for replicate in range(1, PROCESSES + 1):
        for number in range(CASES):
            case = Case(model=("lenet5", "vgg11")[number % 2], batch=number + 1, replicate=replicate)
            samples = 0.01 * np.exp(draw.normal(0, 0.03, int(draw.integers(1, 61))))
            kind = draw.integers(0, 12)
            if kind == 0:
                samples *= np.where(draw.random(len(samples)) < 0.4, 1.5, 1)
            elif kind == 1:
                samples *= np.linspace(1, 1.5, len(samples))
            elif kind == 2:
                samples[0] = 0
            times = Measurement(phase="forward", metric="wall_time", unit="s", samples=samples.tolist())
            size = planted_records.fact("forward", "peak_resident", float(draw.integers(1, 5)))
            status: Status = "oom" if kind == 3 else "ok"
            kept = [times, size] if kind != 4 else [size, times]
            yield planted_records.record(case, *kept, status=status, reason="full" if kind == 3 else None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The 2,000 records with a torn last line, two processes that were run again, and kept runs."""
    folder = tmp_path_factory.mktemp("runs")
    records = list(many())
    again = [structs.replace(records[at], measurements=records[at + CASES].measurements) for at in (3, 4)]
    tail = msgspec.json.encode(records[0])[:200]
    return [planted_records.write(folder / "many", [*records, *again], tail), *FIXTURES]


@pytest.mark.parametrize("at_once", [1, 1000, 10**9], ids=["each alone", "in batches", "all at once"])
def test_processes_are_those_of_each_record(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(condensing, "SAMPLES_AT_ONCE", at_once)
    for run, folder in enumerate(runs):
        expected = list(plain((run, record) for record in read_records(folder / RECORDS)))
        found = list(condensing.condensed((run, record) for record in read_records(folder / RECORDS)))
        assert [case for case, _ in found] == [case for case, _ in expected]
        for (_, process), (_, other) in zip(found, expected, strict=True):
            assert np.frombuffer(process.numbers) == pytest.approx(np.frombuffer(other.numbers), rel=1e-9)
            assert without_numbers(process) == without_numbers(other)


def without_numbers(process: Process) -> Process:
    return structs.replace(process, numbers=b"")


def test_every_row_of_a_report_is_that_of_records_read_one_by_one(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [build([folder]) for folder in runs] + [build([FIXTURES[-1], runs[0]])]
    monkeypatch.setattr(reading, "condensed", plain)
    expected = [build([folder]) for folder in runs] + [build([FIXTURES[-1], runs[0]])]
    for document, other in zip(found, expected, strict=True):
        assert document.text == other.text
        assert len(document.rows) == len(other.rows) > 0
        for row, same in zip(document.rows, other.rows, strict=True):
            assert list(row) == list(same)
            assert numbers_in(row) == pytest.approx(numbers_in(same), rel=1e-9)
            assert {**row, **numbers_in(same)} == same


def numbers_in(row: dict[str, Scalar]) -> dict[str, float]:
    return {name: value for name, value in row.items() if isinstance(value, float)}


def test_what_is_equal_is_one_object(tmp_path: Path) -> None:
    planted_records.write(tmp_path, planted_records.replicates(Case(model="lenet5"), [0.1, 0.1, 0.1]))
    records = read_stream([tmp_path], lambda _: None)
    one, *others = [process for _, process in condensing.condensed(records)]
    for other in others:
        assert one.keys is other.keys
        assert one.sizes is other.sizes
        assert one.environment is other.environment
