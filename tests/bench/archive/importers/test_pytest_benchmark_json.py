"""A session of pytest-benchmark: medians, machine, commit and date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.archive.importers import pytest_benchmark_json
from bench.schema.case import Case
from models.errors import UserError
from tests.planted import planted_sessions


def test_a_session(tmp_path: Path) -> None:
    benchmarks = [planted_sessions.benchmark("test_a", 0.5), planted_sessions.benchmark("test_b[1]", 0.25)]
    content = planted_sessions.write(tmp_path / "x.json", benchmarks).read_bytes()
    assert pytest_benchmark_json.is_of(content)
    found = pytest_benchmark_json.read(content, tmp_path)
    assert [(each.name, each.seconds) for each in found.benchmarks] == [
        ("tests/test_speed.py::test_a", 0.5),
        ("tests/test_speed.py::test_b[1]", 0.25),
    ]
    assert (found.at, found.machine) == ("2026-01-01", "Test CPU")
    assert found.environment is not None
    assert (found.environment.host, found.environment.commit, found.environment.python) == (
        "lab",
        "abc1234",
        "3.11.9",
    )


def test_what_was_not_measured_is_no_time(tmp_path: Path) -> None:
    """Of our own plugin: what ran once at a reduced size, and what had no memory."""
    case = Case(model="vgg11")
    reduced = planted_sessions.of_case("test_r", case, 0.5, status="reduced")
    oom = planted_sessions.of_case("test_o", case, 0.5, status="oom") | {"stats": None}
    content = planted_sessions.write(tmp_path / "x.json", [reduced], convbench_failed=[oom]).read_bytes()
    found = pytest_benchmark_json.read(content, tmp_path)
    assert [(each.seconds, each.failed) for each in found.benchmarks] == [(None, True), (None, True)]


def test_another_timer_is_another_series(tmp_path: Path) -> None:
    cpu = planted_sessions.benchmark("test_a", 0.5, options={"timer": "process_time"})
    content = planted_sessions.write(tmp_path / "x.json", [cpu]).read_bytes()
    (found,) = pytest_benchmark_json.read(content, tmp_path).benchmarks
    assert found.name == "tests/test_speed.py::test_a [timer process_time]"


def test_what_is_not_known_is_empty() -> None:
    benchmark = {"fullname": "a", "stats": {"median": 1}}
    content = json.dumps(
        {"benchmarks": [benchmark], "machine_info": {"cpu": {"brand": "Old CPU"}}, "commit_info": None}
    ).encode()
    found = pytest_benchmark_json.read(content, Path("x.json"))
    assert (found.machine, found.at) == ("Old CPU", "")
    assert found.environment is not None
    assert found.environment.commit is None


@pytest.mark.parametrize(
    "content",
    [
        b'{"benchmarks": [{"name": "a"}], "context": {"num_cpus": 2}}',
        b'{"results": [{"command": "a", "mean": 1}]}',
        b"[" * 100_000,
        b"model,infer_step_time\na,1\n",
    ],
)
def test_another_file_is_refused(content: bytes) -> None:
    assert not pytest_benchmark_json.is_of(content)
    with pytest.raises(UserError, match=r"x\.json is no JSON file of pytest-benchmark"):
        pytest_benchmark_json.read(content, Path("x.json"))


@pytest.mark.parametrize("median", [-1, 1e10])
def test_an_impossible_time_is_refused(median: float) -> None:
    benchmark = {"fullname": "a", "stats": {"median": median}}
    content = json.dumps({"benchmarks": [benchmark], "machine_info": {}}).encode()
    with pytest.raises(UserError, match=r"x\.json is damaged: a has the time"):
        pytest_benchmark_json.read(content, Path("x.json"))
