"""What `--format pytest-benchmark` writes, by pytest-benchmark's own words and its own command."""

from __future__ import annotations

import csv
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.stats import Stats

from bench.schema.case import Case
from reports.formats.pytest_benchmark import statistics_of
from tests.planted import planted_records
from tests.planted.commands import Command

TRAINING = Case(model="vgg11", workload="training", batch=8, threads=2)


def own_command() -> str:
    """`pytest-benchmark` of this environment."""
    found = shutil.which("pytest-benchmark", path=str(Path(sys.executable).parent))
    assert found
    return found


@pytest.mark.parametrize("size", range(1, 13))
def test_statistics_are_those_of_pytest_benchmark(size: int) -> None:
    """But for quartiles, of which there are several definitions, and what follows from them."""
    data = [random.Random(size).lognormvariate(0, 2) for _ in range(size)]
    own: Any = Stats()  # type: ignore[no-untyped-call]
    for each in data:
        own.update(each)
    found = statistics_of(data)
    exact = ("min", "max", "mean", "stddev", "rounds", "median", "ops", "total")
    assert {name: found[name] for name in exact} == pytest.approx(
        {name: getattr(own, name) for name in exact}
    )
    assert set(Stats.fields) <= set(found)


@pytest.mark.slow
def test_pytest_benchmark_compares_it(command_line: Command, tmp_path: Path) -> None:
    """The real command, its CSV, and grouping by a parameter."""
    run = planted_records.write(tmp_path / "run", planted_records.example())
    file = tmp_path / "run.json"
    assert command_line("report", run, "--format", "pytest-benchmark", "-o", file).code == 0
    options = ["--group-by=param:batch,param:phase", f"--csv={tmp_path / 'found.csv'}"]
    columns = ["--columns=median,iqr,rounds,ops,outliers,min,max,mean,stddev,iterations"]
    done = subprocess.run(
        [own_command(), "compare", str(file), *options, *columns],
        capture_output=True, text=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "batch=8 phase=backward" in done.stdout
    with (tmp_path / "found.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    row = next(
        each for each in rows if "vgg11/training" in each["name"] and each["param:phase"] == "backward"
    )
    assert float(row["median"]) == pytest.approx(0.6)
    assert (row["rounds"], row["param:model"], row["param:precision"]) == ("3", "vgg11", "fp32")


def test_each_phase_says_what_is_known_of_it(command_line: Command, tmp_path: Path) -> None:
    run = planted_records.write(tmp_path, planted_records.example())
    found = json.loads(command_line("report", run, "--format", "pytest-benchmark").out)
    by_name = {each["name"]: each for each in found["benchmarks"]}
    assert len(by_name) == len(found["benchmarks"])
    info = by_name["lenet5/inference/cpu/fp32/eager/nchw/b1/t2/i28/c1/k10[forward]"]["extra_info"]
    assert info["flops"] == 846_864
    assert info["bytes"] == {"weights": 61_706 * 4, "peak_resident": 61_706 * 5}
    assert (info["bytes_scope"], info["processes"], info["interval_scope"]) == (
        "child process",
        3,
        "across-processes",
    )
    assert Case(**info["case"]).model == "lenet5"


def test_what_times_no_step_is_refused(command_line: Command) -> None:
    answer = command_line("list", "models", "--format", "pytest-benchmark")
    assert answer.code == 2
    assert "has no times of steps" in answer.err
