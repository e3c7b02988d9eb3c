"""The ReFrame check of examples/: run by ReFrame where it is installed, and against a stand-in everywhere."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bench.schema.case import Case
from reports import formats
from reports.pages import run_report
from tests.planted import planted_records
from tests.planted.commands import ROOT

CHECK = ROOT / "examples" / "reframe_convbench.py"
REFRAME = shutil.which("reframe") or shutil.which(ROOT / ".venv-reframe" / "bin" / "reframe")
needs_reframe = pytest.mark.skipif(
    REFRAME is None, reason="ReFrame is not installed: pip install reframe-hpc"
)
LENET = Case(model="lenet5", workload="training", device="cuda", image=28, channels=1, classes=10)
FLEET = [
    {"uuid": "GPU-1", "node": "n1", "ratio": 0.99, "low": 0.98, "high": 1.0, "state": "ok", "cause": ""},
    {"uuid": "GPU-2", "node": "n2", "ratio": 1.05, "low": 1.04, "high": 1.06, "state": "ok", "cause": ""},
]


def _run_json(folder: Path) -> str:
    """As `convbench report --format json` writes it."""
    records = [
        planted_records.record(
            LENET,
            planted_records.time("forward", 0.001, "device_time"),
            planted_records.time("step", 0.004, "wall_time"),
            planted_records.time("step", 0.003, "device_time"),
            environment=planted_records.GPU_MACHINE,
        )
    ]
    return formats.render("json", run_report.build([planted_records.write(folder, records)]))


def _stand_in(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The classes of the check, whose decorators leave methods as they are."""
    reframe, sanity = ModuleType("reframe"), ModuleType("reframe.utility.sanity")
    vars(reframe).update(RunOnlyRegressionTest=object, simple_test=lambda cls: cls)
    vars(sanity).update(
        defer=lambda value: value,
        make_performance_function=lambda value, unit: (value, unit),
    )
    monkeypatch.setitem(sys.modules, "reframe", reframe)
    monkeypatch.setitem(sys.modules, "reframe.utility", ModuleType("reframe.utility"))
    monkeypatch.setitem(sys.modules, "reframe.utility.sanity", sanity)
    vars(sys.modules["reframe.utility"])["sanity"] = sanity
    vars(reframe)["utility"] = sys.modules["reframe.utility"]
    built_in = {
        "variable": lambda kind, value: value,
        "run_before": lambda stage: lambda method: method,
        "sanity_function": lambda method: method,
    }
    return runpy.run_path(str(CHECK), init_globals=built_in)


def _figures(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, report: str) -> Any:
    (folder / "report.json").write_text(report)
    test = _stand_in(monkeypatch)[name]()
    test.stagedir = str(folder)
    test.set_figures()
    return test.perf_variables


def test_a_run_gives_the_time_of_each_step_in_ms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a GPU by the GPU's own clock; the phases of training are no figures of the check."""
    found = _figures(monkeypatch, tmp_path, "ConvbenchRun", _run_json(tmp_path / "run"))
    assert found == {"lenet5_training_fp32_eager_1": (pytest.approx(3.0), "ms")}


def test_a_fleet_gives_how_much_slower_each_gpu_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gap = {"uuid": "", "node": "n3", "state": "missing", "cause": "NODE_FAIL"}
    found = _figures(monkeypatch, tmp_path, "ConvbenchFleet", json.dumps({"rows": [*FLEET, gap]}))
    assert found == {"GPU-1": (pytest.approx(-1.0), "%"), "GPU-2": (pytest.approx(5.0), "%")}


def test_the_commands_of_the_check_are_convbenchs(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.test_readme import why_refused

    for name in ("ConvbenchRun", "ConvbenchFleet"):
        test = _stand_in(monkeypatch)[name]()
        test.set_commands()
        commands = [line for line in test.postrun_cmds if line.startswith("convbench ")]
        assert {command: why_refused(command) for command in commands} == dict.fromkeys(commands)


Reframe = Callable[[str, str, Sequence[str]], SimpleNamespace]


@pytest.fixture
def reframe(tmp_path: Path) -> Reframe:
    """Run a test of the check with another program for convbench; the exit code and what was said."""

    def run(name: str, program: str, settings: Sequence[str]) -> SimpleNamespace:
        stands_for = tmp_path / "convbench"
        stands_for.write_text(f"#!/bin/sh\n{program}\n")
        stands_for.chmod(0o755)
        chosen = [word for each in (f"convbench={stands_for}", *settings) for word in ("-S", each)]
        done = subprocess.run(
            [str(REFRAME), "-c", str(CHECK), "-n", name, *chosen, "--performance-report", "-r"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return SimpleNamespace(code=done.returncode, said=done.stdout + done.stderr)

    return run


@needs_reframe
@pytest.mark.slow
def test_reframe_runs_convbench_and_keeps_its_times(reframe: Reframe) -> None:
    ended = reframe(
        "ConvbenchRun",
        f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m bench "$@"',
        ["arguments=--model lenet5 --replicates 1 --target-ci 100% --threads 1"],
    )
    assert ended.code == 0, ended.said
    assert "P: lenet5_inference_fp32_eager_1:" in ended.said


@needs_reframe
@pytest.mark.parametrize(
    ("state", "code", "passes"),
    [("ok", 0, True), ("slow", 1, False), ("missing", 3, False), ("ok", 3, False)],
)
def test_reframe_fails_where_a_gpu_is_slow_or_missing(
    reframe: Reframe, tmp_path: Path, state: str, code: int, *, passes: bool
) -> None:
    rows = [FLEET[0], {**FLEET[1], "state": state, "cause": "SM clock 9% lower"}]
    (tmp_path / "rows.json").write_text(json.dumps({"rows": rows}))
    program = f'case "$*" in *report*) cp "{tmp_path}/rows.json" report.json; exit {code};; esac'
    ended = reframe("ConvbenchFleet", program, ["nodes=n[1-2]", "executor=local"])
    assert (ended.code == 0) is passes, ended.said
    assert ("GPU-2: slow, SM clock 9% lower" in ended.said) is (state == "slow")
