"""What the harness itself costs. The targets stand in the table's extra_info; nothing here fails by chance.

pytest bench/test_harness.py --benchmark-only
"""

from __future__ import annotations

import itertools
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from bench import devices
from bench.forkserver.client import Server
from bench.host import environment
from bench.pytest_plugin.convbench_fixture import Convbench
from bench.runner import preload
from bench.schema import job
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Measurement, Record
from bench.store import RECORDS, Store

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
Benchmark = Any  # pytest-benchmark has no types

SMALL = Case(model="lenet5", image=28, channels=1, classes=10)


def _command(*arguments: str) -> Callable[[], None]:
    command = [sys.executable, "-m", "bench", *arguments]
    return lambda: subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL).check_returncode()


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("list",), ("run", "--dry-run", "--out", "unused")],
    ids=["help", "version", "list", "dry-run"],
)
def test_answers_at_once(benchmark: Benchmark, arguments: tuple[str, ...]) -> None:
    benchmark.extra_info["target_seconds"] = 0.3
    benchmark.pedantic(_command(*arguments), rounds=15)


def test_imports_at_once(benchmark: Benchmark) -> None:
    """The public module, in a process of its own; what Python itself takes to start is beside it."""
    started = [time.monotonic()]
    for _ in range(5):
        subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=ROOT)
        started.append(time.monotonic())
    benchmark.extra_info["target_seconds"] = 0.1
    benchmark.extra_info["seconds_of_python"] = min(b - a for a, b in itertools.pairwise(started))
    command = [sys.executable, "-c", "import convbench"]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, cwd=ROOT), rounds=15)


def test_own_cost_of_a_case(benchmark: Benchmark, tmp_path: Path) -> None:
    """From launch until just before the first step of lenet5, whose building is a millisecond."""
    asked = msgspec.json.encode(
        job.Job(
            case=SMALL,
            protocol=MeasurementProtocol(warmup_seconds=0.01, sampling_seconds=0.01, energy_seconds=0),
            environment=environment.describe(),
        )
    )
    own: list[float] = []
    with Server(preload=preload.preload([SMALL])) as server:

        def launch() -> None:
            began = time.monotonic()
            outcome = server.run(
                job.MEASURE, asked, folder=tmp_path / "w", log=tmp_path / "log", time_limit_seconds=60
            )
            assert outcome.result is not None, outcome.reason
            first_step_at = msgspec.json.decode(outcome.result, type=job.JobResult).first_step_at
            assert first_step_at is not None
            own.append(first_step_at - began)

        benchmark.pedantic(launch, rounds=10)
    benchmark.extra_info["target_seconds"] = 0.5
    benchmark.extra_info["seconds_to_first_step"] = statistics.median(own)


def planted(case: Case) -> Record:
    """A record of nearly 4 KB whose figures do not matter."""
    samples = [0.0123456789 * (1 + 0.3 * math.sin(number * 12.9898 + case.replicate)) for number in range(34)]
    times = Measurement(phase="forward", metric="wall_time", unit="s", samples=samples)
    return Record(
        case=case,
        protocol=MeasurementProtocol(),
        status="ok",
        measurements=[times] * 4,
        environment=environment.describe(),
        started_at="2026-01-01T00:00:00+00:00",
    )


def test_append(benchmark: Benchmark, tmp_path: Path) -> None:
    record = planted(SMALL)
    benchmark.extra_info["target_seconds"] = 0.005
    benchmark.extra_info["bytes"] = len(msgspec.json.encode(record))
    with Store.create(tmp_path / "run") as store:
        benchmark.pedantic(store.append, args=(record,), rounds=200)


def test_report(benchmark: Benchmark, tmp_path: Path, convbench: Convbench) -> None:
    """1,000 cases x 100 replicates, from the files to markdown, in a process of its own."""
    cases, replicates = (1000, 100) if convbench.is_measured else (10, 3)
    with (tmp_path / RECORDS).open("wb") as file:
        for replicate in range(1, replicates + 1):
            for batch in range(1, cases + 1):
                case = structs.replace(SMALL, batch=batch, replicate=replicate)
                file.write(msgspec.json.encode(planted(case)) + b"\n")
    benchmark.extra_info["target_seconds"] = 5.0
    benchmark.extra_info["target_bytes"] = 400e6
    command = [sys.executable, "-m", "bench", "report", str(tmp_path), "-o", str(tmp_path / "report.md")]

    def report() -> None:
        process = subprocess.Popen(command, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)  # of this process alone
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        benchmark.extra_info["peak_bytes"] = usage.ru_maxrss * 1024

    benchmark.pedantic(report, rounds=1)


def test_quick_suite(benchmark: Benchmark, tmp_path: Path, convbench: Convbench) -> None:
    """The main job as a user starts it; without `--benchmark-only` one network once."""
    small = () if convbench.is_measured else ("--model", "lenet5", "--replicates", "1")
    benchmark.extra_info["target_seconds"] = 240.0
    benchmark.pedantic(
        _command("run", "--device", devices.host().name, "--out", str(tmp_path / "run"), *small), rounds=1
    )
