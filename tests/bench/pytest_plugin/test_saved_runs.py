"""What pytest-benchmark is told of the machine, and when a comparison without a match fails."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.pytest_plugin import saved_runs
from tests.planted.pytest_options import config_with


def session_of(saved: dict[str, list[str]], **options: object) -> SimpleNamespace:
    """Two benchmarks, `a` and `b`, were measured."""
    measured = [SimpleNamespace(fullname=name) for name in ("a", "b")]
    known: dict[str, object] = {
        "compare_fail": ["median:5%"],
        "benchmarks": measured,
        "compared_mapping": saved,
        "disabled": False,
        "skip": False,
        "compare": True,
    }
    return SimpleNamespace(**known | options)


def exit_status(benchmarks: SimpleNamespace) -> int:
    """With which pytest ends after all tests passed."""
    session: Any = SimpleNamespace(config=config_with(benchmarks), exitstatus=pytest.ExitCode.OK)
    saved_runs.pytest_sessionfinish(session)
    return int(session.exitstatus)


def test_a_gate_that_matched_nothing_fails() -> None:
    assert exit_status(session_of({"0001": ["c"]})) == 1
    assert exit_status(session_of({})) == 1


def test_a_gate_that_matched_one_benchmark_judges() -> None:
    assert exit_status(session_of({"0001": ["c", "b"]})) == 0
    assert exit_status(session_of({"0001": ["c"]}, compare_fail=[])) == 0


def test_a_saved_run_that_is_missing_is_refused_before_measuring() -> None:
    storage = SimpleNamespace(query=lambda *names: [], path=Path("/saved"))
    session = session_of({}, storage=storage, compare="0009")
    with pytest.raises(pytest.UsageError, match="--benchmark-compare=0009: no saved run in /saved"):
        saved_runs.pytest_configure(config_with(session, compare="0009"))


def test_the_machine_is_what_it_was_before_torch_set_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import torch._dynamo` sets TORCHINDUCTOR_CACHE_DIR; a comparison asks before it, saving after."""
    asked: list[str] = []
    monkeypatch.setattr("bench.host.environment.describe", lambda: asked.append("now"))
    saved_runs.pytest_configure(config_with(session_of({}), only=True))
    assert asked == ["now"]


def test_the_commit_of_convbench_stands_beside_the_projects() -> None:
    info: dict[str, Any] = {"id": "the project's"}
    saved_runs.pytest_benchmark_update_commit_info(config_with(), info)
    assert info["id"] == "the project's"
    assert "convbench" in info


def test_what_a_gate_did_not_judge_is_named() -> None:
    said: list[str] = []
    reporter: Any = SimpleNamespace(write_line=lambda line, **markup: said.append(line))
    saved_runs.pytest_terminal_summary(reporter, config_with(session_of({"0001": ["b"]})))
    assert said == ["convbench: --benchmark-compare-fail did not judge what is not saved: a"]
    said.clear()
    saved_runs.pytest_terminal_summary(reporter, config_with(session_of({"0001": ["a", "b"]})))
    assert said == []
