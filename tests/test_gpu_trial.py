"""`.ci/gpu` and its programs, as far as they can be tried without a GPU."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from bench.cli import COMMANDS, late_commands
from tests.planted.commands import ROOT
from tests.test_layout import PACKAGES, imports, tree

CI = ROOT / ".ci"
SCRIPT = (CI / "gpu").read_text(encoding="utf-8")
PROGRAMS = sorted(path.stem for path in CI.glob("gpu_*.py"))


sys.path.append(str(CI))  # its programs find each other as when they are started


def loaded(name: str) -> Any:
    """A program of `.ci`, which is no package."""
    return importlib.import_module(name)


figures, probe, reference = map(loaded, ("gpu_figures", "gpu_probe", "gpu_reference"))
instruments, children, driver = map(loaded, ("gpu_instruments", "gpu_child_probes", "gpu_driver_probes"))


Trial = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """The script with folders of the test's own, on the CPU."""

    def run(*steps: str, **settings: str) -> subprocess.CompletedProcess[str]:
        usual = {"OUT": str(tmp_path / "out"), "WORK": str(tmp_path / "work"), "DEVICE": "cpu"}
        environment = {**os.environ, **usual, "PYTHON": sys.executable, **settings}
        return subprocess.run(
            [CI / "gpu", *steps], env=environment, capture_output=True, text=True, check=False
        )

    return run


def summary(tmp_path: Path) -> dict[str, tuple[str, str]]:
    """Step -> its result, and what else stands in its line."""
    lines = (tmp_path / "out" / "summary.txt").read_text().splitlines()[1:]
    parts = [line.split(maxsplit=3) for line in lines]
    return {part[0]: (part[1], part[3] if len(part) > 3 else "") for part in parts}


def test_every_step_of_the_table_has_its_function_and_two_limits() -> None:
    table = re.search(r"STEPS='\n(.*?)'", SCRIPT, re.DOTALL)
    assert table is not None
    rows = [line.split(maxsplit=3) for line in table[1].splitlines()]
    assert [row[0] for row in rows] == list(dict.fromkeys(row[0] for row in rows))
    assert {row[0] for row in rows} == set(re.findall(r"^step_(\w+)\(\)", SCRIPT, re.MULTILINE))
    for _, on_gpu, on_cpu, purpose in rows:
        assert 0 < int(on_gpu) <= 150
        assert 0 < int(on_cpu) <= 600
        assert purpose


def test_bash_can_read_the_script() -> None:
    subprocess.run(["bash", "-n", CI / "gpu"], check=True)


def test_the_script_calls_what_the_command_line_has() -> None:
    calls = re.findall(r"\bconvbench ([a-z-]+) (.*)", SCRIPT.replace("\\\n", " "))
    assert {"run", "doctor", "selftest", "best", "max-batch", "layers", "ceilings", "report"} <= {
        command for command, _ in calls
    }
    for command, arguments in calls:
        if command in COMMANDS:
            parameters = late_commands.load(command).params
            accepted = {option for each in parameters for option in (*each.opts, *each.secondary_opts)}
            assert set(re.findall(r"(?<=\s)--[a-z-]+", arguments)) <= accepted, command


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_beside_the_script_knows_nothing_of_convbench(name: str) -> None:
    """What judges the harness must not be made of it."""
    found = {each.name.split(".")[0] for each in imports(tree(CI / f"{name}.py"))}
    assert found & {*PACKAGES, "convbench", "tests"} == set()


@pytest.mark.parametrize(
    ("steps", "settings", "words"),
    [
        (("env", "wheel"), {}, "there is no step wheel; there are env, wheels,"),
        (("env",), {"DEVICE": "tpu"}, "DEVICE is cuda or cpu, not tpu"),
        (("env",), {"LIMIT": "soon"}, "LIMIT is a whole number of seconds, not soon"),
    ],
)
def test_a_bad_name_or_setting_is_one_sentence(
    trial: Trial, steps: tuple[str, ...], settings: dict[str, str], words: str
) -> None:
    done = trial(*steps, **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f".ci/gpu: {words}")
    assert done.stderr.count("\n") == 1


def test_an_interpreter_without_torch_is_no_traceback(trial: Trial, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho ModuleNotFoundError >&2; exit 1\n")
    python.chmod(0o755)
    done = trial("wheel", DEVICE="", PYTHON=str(python))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_the_trial_says_how_it_is_used(trial: Trial) -> None:
    done = trial("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "LIMIT    seconds for all steps together" in done.stdout


@pytest.mark.slow
def test_the_first_steps_run_on_a_machine_without_a_gpu(trial: Trial, tmp_path: Path) -> None:
    done = trial("env", "wheels", "cli", "doctor", "agreement")
    assert done.returncode == 0, done.stdout
    assert {name: result for name, (result, _) in summary(tmp_path).items()} == {
        **dict.fromkeys(("env", "cli", "doctor"), "ok"),
        **dict.fromkeys(("wheels", "agreement"), "skipped"),
    }
    assert "interpreter has all" in summary(tmp_path)["wheels"][1]
    results = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert results == ["logs.tar.gz", "runs.tar.gz", "summary.txt"]


STUB = """#!/bin/sh
case "$*" in
    *"bench selftest"*) setsid sh -c 'echo $$ >"$WORK/pid"; exec sleep 300' & sleep 300 ;;
    *"bench doctor"*) echo "the planted failure"; exit 1 ;;
    *"bench run"*) exit 3 ;;
    *) echo "planted" ;;
esac
"""
"""In place of Python: `doctor` fails; a budget leaves cases of `energy`; `selftest` takes too long, and
starts a process in another session."""


@pytest.mark.slow
def test_a_step_that_fails_or_is_late_ends_no_other(trial: Trial, tmp_path: Path) -> None:
    stub = tmp_path / "python"
    stub.write_text(STUB)
    stub.chmod(0o755)
    began = time.monotonic()
    done = trial("doctor", "energy", "probe", "selftest", "layers", PYTHON=str(stub), LIMIT="12")
    assert time.monotonic() - began < 60
    assert done.returncode == 1
    assert "the planted failure" in done.stdout
    found = summary(tmp_path)
    assert found["doctor"] == ("failed", "exit code 1")
    assert found["energy"] == ("ok", ""), "a budget that ends is no failure"
    assert found["probe"] == ("ok", "")
    assert found["selftest"][0] == "late"
    assert found["layers"] == ("skipped", "no time left")
    leftover = int((tmp_path / "work" / "pid").read_text())
    assert not Path(f"/proc/{leftover}").exists() or is_dead(leftover)


def is_dead(process: int) -> bool:
    """Whether it has ended and waits for init."""
    return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()


# The figures beside what they should be


def row(model: str, **fields: Any) -> dict[str, Any]:
    usual = {"workload": "inference", "precision": "fp32", "engine": "eager", "batch": 1}
    return {"model": model, **usual, **fields}


def record(model: str, measurements: list[tuple[str, float]]) -> dict[str, Any]:
    listed = [{"phase": "forward", "metric": name, "unit": "s", "samples": [s]} for name, s in measurements]
    case = {key: value for key, value in row(model).items() if value not in ("inference", "fp32")}
    return {"case": {**case, "device": "cuda"}, "status": "ok", "measurements": listed}


def kept(folder: Path, *records: dict[str, Any]) -> Path:
    folder.mkdir()
    lines = "".join(json.dumps(each) + "\n" for each in records)
    (folder / "records.jsonl").write_text(lines, encoding="utf-8")
    return folder


def agreement(tmp_path: Path, *times: tuple[str, float], loop: tuple[float, float | None]) -> int:
    """The exit code for one case of convbench's and the loop's wall and event seconds."""
    run = kept(tmp_path / "run", record("vgg16", list(times)))
    file = tmp_path / "reference.json"
    file.write_text(json.dumps([row("vgg16", wall_seconds=loop[0], event_seconds=loop[1])]))
    code = figures.main(["agreement", str(file), str(run)])
    assert isinstance(code, int)
    return code


def test_figures_within_a_percent_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = (("wall_time", 0.01009), ("device_time", 0.00992), ("host_time", 0.002))
    assert agreement(tmp_path, *times, loop=(0.01, 0.01)) == 0
    out = capsys.readouterr().out
    assert "vgg16/inference/fp32/eager/1" in out
    assert "1.0090" in out
    assert "0.9920" in out
    assert "1 of 1 cases agree within 1%." in out


@pytest.mark.parametrize("apart", ["wall_time", "device_time"])
def test_figures_further_apart_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str], apart: str) -> None:
    times = {"wall_time": 0.01, "device_time": 0.01, "host_time": 0.002} | {apart: 0.0102}
    assert agreement(tmp_path, *times.items(), loop=(0.01, 0.01)) == 1
    assert "<-- apart" in capsys.readouterr().out


def test_device_time_of_a_launch_bound_step_is_not_held_against_events(tmp_path: Path) -> None:
    """Events around a row of such steps also hold the gaps between them."""
    times = (("wall_time", 0.001), ("device_time", 0.0004), ("host_time", 0.001))
    assert agreement(tmp_path, *times, loop=(0.001, 0.001)) == 0


def test_figures_of_a_cpu_are_only_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert agreement(tmp_path, ("wall_time", 0.02), loop=(0.01, None)) == 0
    out = capsys.readouterr().out
    assert "no verdict" in out
    assert "2.0000" in out
    assert "apart" not in out


def test_a_run_that_measured_no_case_of_the_loop_agrees_with_nothing(tmp_path: Path) -> None:
    assert agreement(tmp_path, loop=(0.01, 0.01)) == 1


@pytest.mark.parametrize(("residual", "code"), [(5.0, 0), (20.0, 1)])
def test_the_unexplained_share_of_the_peak_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], residual: float, code: int
) -> None:
    ledger = [
        {"phase": "forward", "metric": f"ledger_{kind}", "unit": "bytes", "samples": [size]}
        for kind, size in (("weights", 900.0), ("residual", residual), ("peak", 1000.0))
    ]
    run = kept(tmp_path / "run", record("vgg16", []) | {"measurements": ledger})
    assert figures.main(["ledger", str(run)]) == code
    assert f"unexplained {residual / 1000:.2%} of the peak" in capsys.readouterr().out


def test_the_fastest_row_stands_beside_its_goal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def reached(share: float, **fields: Any) -> dict[str, Any]:
        usual = {"metric": "wall_time", "phase": "forward", "layout": "channels-last", "tuning": ""}
        return row("vgg16", utilisation=share, arithmetic_dtype="bf16", **usual, **fields)

    rows = [
        reached(0.5, images_per_second=10.0),
        reached(0.7, images_per_second=20.0, precision="bf16"),
        row("vgg16", metric="device_time", utilisation=None, phase="forward"),
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"rows": rows}))
    assert figures.main(["ceiling", str(report), "0.75"]) == 0
    assert capsys.readouterr().out == (
        "vgg16/inference/bf16/eager/1/channels-last: 70.0% of the bf16 ceiling (goal: 75%)\n"
    )


# The programs for a GPU, over planted CUDA


class PlantedEvent:
    """A CUDA event of the host's clock."""

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing
        self.at: float | None = None

    def record(self) -> None:
        self.at = time.perf_counter()

    def query(self) -> bool:
        return self.at is not None

    def elapsed_time(self, end: PlantedEvent) -> float:
        assert self.at is not None
        assert end.at is not None
        return 1e3 * max(end.at - self.at, 1e-6)


@pytest.fixture
def planted_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the programs ask of torch.cuda, answered without a GPU."""
    answers: dict[str, Any] = {
        "_sleep": None,
        "synchronize": None,
        "empty_cache": None,
        "mem_get_info": (2**30, 2**31),
        "memory_allocated": 2**20,
        "memory_reserved": 2**21,
        "memory_stats": {"allocated_bytes.all.current": 2**20, "requested_bytes.all.current": 2**19},
        "get_device_properties": SimpleNamespace(
            name="planted",
            uuid="1-2",
            major=9,
            minor=0,
            multi_processor_count=132,
            L2_cache_size=2**25,
            total_memory=2**31,
        ),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *ignored, answer=answer: answer)
    monkeypatch.setattr(torch.cuda, "Event", PlantedEvent)
    monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: None, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)


class PlantedNvml:
    """The energy counter moves at each look; whatever else is asked is refused."""

    found_by = "planting"
    _joules = 0

    def ask(self, name: str, *arguments: int) -> Any:
        self._joules += 1
        return self._joules if name == "TotalEnergyConsumption" else "refused: planted"

    def field(self, number: int) -> str:
        return "refused: planted"

    def driver(self) -> str:
        return "1.2"


def small_network(name: str) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1000))


def test_every_probe_runs_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted_cuda: None
) -> None:
    """No slip of the pen costs minutes on a GPU machine; what they find there is not known here."""
    for name, value in {"DEVICE": "cpu", "MATRIX": 32, "BATCH": 2, "IMAGE": 8, "WORK_SECONDS": 0.02}.items():
        for module in (probe, instruments, driver):
            monkeypatch.setattr(module, name, value, raising=module is instruments)
    for module in (probe, instruments):
        monkeypatch.setattr(module, "network", small_network)
    monkeypatch.setattr(children, "answer", lambda *ignored: "said")
    monkeypatch.setattr(probe.time, "sleep", lambda seconds: None)
    facts = probe.Facts(tmp_path / "probe.json")
    for name, call in probe.probes(facts, PlantedNvml()):
        probe.attempt(facts, name, call)
    found = json.loads((tmp_path / "probe.json").read_text())
    assert [name for name in found if "FAILED" in name] == []
    shown = "".join(re.findall(r"PROBED\+?='(.+)'", (ROOT / ".ci" / "gpu").read_text()))
    topics = {name.split(", ")[0] for name in found if re.match(f"({shown}), ", name)}
    assert topics == set(shown.split("|"))


def test_a_probe_that_fails_is_a_fact(tmp_path: Path) -> None:
    facts = probe.Facts(tmp_path / "probe.json")
    probe.attempt(facts, "broken", lambda: 1 / 0)
    assert facts.found["broken FAILED"] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize("program", [children.OUT_OF_MEMORY, children.FORK, children.WORKERS])
def test_a_program_for_a_process_of_its_own_can_be_read(program: str) -> None:
    ast.parse(program)


def test_the_loop_times_what_agreement_asks_of_convbench() -> None:
    cells = reference.cells("cuda")
    inference = {tuple(cell)[:1] + tuple(cell)[2:] for cell in cells if cell.workload == "inference"}
    assert inference == {
        (model, precision, engine, batch)
        for model in ("alexnet", "vgg16")
        for precision in ("fp32", "amp-bf16")
        for engine in ("eager", "compile")
        for batch in (1, 64)
    }
    assert len(cells) == len(set(cells))


def test_the_loop_takes_wall_and_event_seconds(monkeypatch: pytest.MonkeyPatch, planted_cuda: None) -> None:
    monkeypatch.setattr(reference, "WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr(reference, "ROUND_SECONDS", 0.02)
    found = reference.timed(lambda: time.sleep(2e-3), "cuda")
    assert 2e-3 <= found["event_seconds"] <= found["wall_seconds"] < 20e-3
    assert reference.timed(lambda: time.sleep(2e-3), "cpu")["event_seconds"] is None


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["inference", "training"])
def test_the_loop_has_the_step_of_its_cell(workload: str) -> None:
    cell = reference.Cell("alexnet", workload, "amp-bf16", "eager", 2)
    with reference.stepping(cell, "cpu", image=64) as step:
        step()
        out = step()
        assert torch.is_grad_enabled() is (workload == "training")
    if workload == "inference":
        assert (out.shape, out.dtype) == ((2, 1000), torch.bfloat16)
