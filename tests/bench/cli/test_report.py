"""--plain-intervals: each interval from its own processes alone, wherever intervals are printed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from scipy import stats as oracle

import convbench as library
from bench.schema.case import Case
from reports.history.then_and_now import case_of, published
from tests.planted import planted_records
from tests.planted.commands import Command

MEDIANS = (0.1, 0.103, 0.098)


def run(folder: Path) -> Path:
    cases = [Case(model=model, batch=8, threads=2) for model in ("vgg11", "vgg13", "vgg16")]
    return planted_records.write(
        folder, [record for case in cases for record in planted_records.replicates(case, MEDIANS)]
    )


def plain_ends() -> tuple[float, float]:
    logs = np.log(MEDIANS)
    low, high = np.exp(oracle.t.interval(0.95, len(MEDIANS) - 1, logs.mean(), oracle.sem(logs)))
    return float(low), float(high)


def test_the_report_has_the_t_intervals_then(command_line: Command, tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    rows = command_line("report", folder, "--format", "json", "--plain-intervals").rows()
    assert [(row["method"], row["low"], row["high"]) for row in rows] == [
        ("t", *map(pytest.approx, plain_ends()))
    ] * 3
    assert {row["method"] for row in command_line("report", folder, "--format", "json").rows()} == {
        "moderated"
    }


def test_so_it_is_in_python(tmp_path: Path) -> None:
    loaded = library.load(run(tmp_path / "run"))
    assert {row["method"] for row in loaded.rows(plain_intervals=True)} == {"t"}
    assert {row["method"] for row in loaded.rows()} == {"moderated"}
    assert "moderated" in loaded.report("md")
    assert "moderated" not in loaded.report("md", plain_intervals=True)


def test_history_has_them_too(command_line: Command, tmp_path: Path) -> None:
    row = published()[0]
    case = case_of(row, "cpu", "fp32", 2)
    records = [
        planted_records.record(
            structs.replace(case, replicate=number),
            planted_records.time("forward", median),
            planted_records.time("backward", 2 * median),
            planted_records.time("step", 3 * median),
        )
        for number, median in enumerate(MEDIANS, start=1)
    ]
    folder = planted_records.write(tmp_path / "run", records)

    def factor(*options: str) -> float:
        """By how much the interval of the speed-up reaches above it."""
        rows = command_line("history", "--from", folder, "--format", "json", *options).rows()
        [found] = {
            (each["speed_up"], each["high"])
            for each in rows
            if each["speed_up"]
            and each["high"]
            and each["total_ms"] == row.total_ms
            and each["model"] == row.model
        }
        return float(found[1] / found[0])

    centre = math.exp(float(np.log(MEDIANS).mean()))
    assert factor("--plain-intervals") == pytest.approx(plain_ends()[1] / centre)
    assert factor() < factor("--plain-intervals")
