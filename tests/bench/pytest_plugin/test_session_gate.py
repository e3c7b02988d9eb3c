"""What a session of several processes says of an earlier run, and when that fails it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from bench.pytest_plugin import kept_runs, replicated_session, session_gate
from bench.pytest_plugin.gate_options import GateOptions
from bench.pytest_plugin.replicated_cases import RUN, ReplicatedCases
from bench.schema.case import Case
from bench.store import RECORDS
from tests.planted import planted_records
from tests.planted.planted_records import MACHINE, replicates

CASE, NEW_ONE, GONE = (Case(model=name, batch=8, threads=2) for name in ("vgg11", "vgg16", "alexnet"))
QUICK, SLOW = (1.0, 1.001, 0.999, 1.0, 1.002), (2.0, 2.001, 1.999, 2.0, 2.002)


def on_another_machine(seconds: tuple[float, ...]) -> list[Any]:
    other = structs.replace(MACHINE, host="other", cpu="Other CPU", libraries={"torch": "2.12.0"})
    return [structs.replace(each, environment=other) for each in replicates(CASE, seconds)]


def told(base: list[Any], new: list[Any], folder: Path) -> tuple[str, tuple[str, ...]]:
    """The lines in one, and the reasons to fail."""
    sides = planted_records.write(folder / "1", base), planted_records.write(folder / "2", new)
    found = session_gate.judge(*sides, "slower")
    return " ".join(" ".join(found.lines).split()), found.reasons


def test_cases_of_one_side_are_named(tmp_path: Path) -> None:
    """A gate that passes has judged nothing of them."""
    base = [*replicates(CASE, QUICK), *replicates(GONE, QUICK)]
    said, reasons = told(base, [*replicates(CASE, QUICK), *replicates(NEW_ONE, SLOW)], tmp_path)
    assert reasons == ()
    assert "convbench: not compared, only in BASE: AlexNet inference, batch 8" in said
    assert "convbench: not compared, only in NEW: VGG-16 inference, batch 8" in said


def test_a_slower_case_fails_and_another_machine_is_an_alarm(tmp_path: Path) -> None:
    said, reasons = told(replicates(CASE, QUICK), on_another_machine(SLOW), tmp_path)
    assert len(reasons) == 1
    assert "VGG-11" in reasons[0]
    assert "BASE and NEW ran on different CPUs (Test CPU / Other CPU)" in said
    assert "torch 2.11.0 → 2.12.0" in said


def test_nothing_in_common_fails(tmp_path: Path) -> None:
    assert told(replicates(GONE, QUICK), replicates(NEW_ONE, QUICK), tmp_path)[1] == ("nothing was compared",)


def test_a_base_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """Before anything is measured; where it went away meanwhile, the session fails without a traceback."""
    new = planted_records.write(tmp_path / "new", replicates(CASE, QUICK))
    damaged = planted_records.write(tmp_path / "base", [], tail=b"no record\n" * 2)
    with pytest.raises(pytest.UsageError, match="--convbench-compare: "):
        session_gate.check_base(damaged)
    assert len(session_gate.judge(damaged, new, "slower").reasons) == 1


def finished(base: Path, run: ReplicatedCases) -> int:
    """With which a session exits whose tests passed."""
    config: Any = SimpleNamespace(stash=pytest.Stash())
    config.stash[RUN], config.stash[replicated_session.BASE] = run, base
    session: Any = SimpleNamespace(config=config, exitstatus=pytest.ExitCode.OK)
    replicated_session.pytest_sessionfinish(session)
    return int(session.exitstatus)


def test_a_gate_fails_where_every_test_was_skipped(tmp_path: Path) -> None:
    """Such as on a machine whose GPU is gone."""
    base = planted_records.write(tmp_path / "1", replicates(CASE, QUICK))
    run = ReplicatedCases(GateOptions(replicates=5, compare=""), tmp_path / "2")
    run.measure(lambda event: None)
    assert finished(base, run) == 1


@pytest.mark.parametrize(("seconds", "code"), [(QUICK, 0), (SLOW, 1)], ids=["same", "slower"])
def test_only_a_run_that_passed_is_compared_with_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...], code: int
) -> None:
    base = planted_records.write(tmp_path / "1", replicates(CASE, QUICK))
    run = ReplicatedCases(GateOptions(replicates=5, compare="", fail_on="slower"), tmp_path / "2")
    run.note(CASE, planted_records.record(CASE).protocol)
    monkeypatch.setattr(
        "bench.pytest_plugin.replicated_cases.run_kept",
        lambda *given, **named: planted_records.write(run.folder, replicates(CASE, seconds)),
    )
    run.measure(lambda event: None)
    assert finished(base, run) == code
    assert (run.folder / kept_runs.BASE).exists() is (code == 0)
    assert json.loads((run.folder / RECORDS).read_text().splitlines()[0])  # the run itself is kept
