"""pytest-benchmark over bench/: what a saved run holds, how it compares, and what a plain `pytest` does."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.contracts.steps import Steps
from bench.devices.fake import FakeDevice
from bench.pytest_plugin.ready_step import ReadyStep
from bench.pytest_plugin.reduced_size import reduced
from bench.pytest_plugin.saved_runs import pytest_benchmark_update_machine_info
from bench.schema.case import Case
from bench.schema.phases import Phase
from models import catalogue
from tests.planted.commands import ROOT

pytestmark = pytest.mark.slow

LENET = ["bench/test_networks.py", "-k", "lenet5", "-q", "-p", "no:cacheprovider"]


def run_pytest(*arguments: str, code: int = 0) -> str:
    """What it prints on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(scope="module")
def saved(storage: Path) -> list[dict[str, Any]]:
    """LeNet-5 measured twice, the second time compared with the first and drawn."""
    common = [*LENET, "--benchmark-only", "--benchmark-autosave", "--benchmark-save-data"]
    common.append(f"--benchmark-storage={storage}")
    run_pytest(*common)
    second = run_pytest(*common, "--benchmark-compare", f"--benchmark-histogram={storage / 'drawn'}")
    assert "benchmark 'inference forward fp32 nchw b1': 2 tests" in second
    assert "test_inference[lenet5-cpu-fp32-eager-b1] (NOW)" in second
    assert "machine_info is different" not in second
    return [json.loads(path.read_text()) for path in sorted(storage.rglob("*.json"))]


def test_a_saved_benchmark_says_what_it_measured(saved: list[dict[str, Any]]) -> None:
    (benchmark,) = saved[0]["benchmarks"]
    info = benchmark["extra_info"]
    case = Case(**info["case"])
    assert (case.model, case.workload, case.image, case.channels, case.batch) == (
        "lenet5",
        "inference",
        28,
        1,
        1,
    )
    assert benchmark["params"]["model"] == "lenet5"
    assert (benchmark["params"]["batch"], benchmark["params"]["phase"]) == (1, "forward")
    assert info["parameters"] == 61_706
    # The textbook's figures: 28x28x6x25, 10x10x16x150 and 400x120, 120x84, 84x10 multiply-accumulates.
    assert info["flops"] == 2 * (117_600 + 240_000 + 48_000 + 10_080 + 840)
    assert info["bytes"]["weights"] == 4 * 61_706
    assert info["bytes"]["peak_resident"] >= info["bytes"]["weights"]
    assert info["effective"]["threads"] == str(case.threads)


def test_achieved_flops_are_those_of_the_median(saved: list[dict[str, Any]]) -> None:
    for run in saved:
        (benchmark,) = run["benchmarks"]
        median = statistics.median(benchmark["stats"]["data"])
        assert len(benchmark["stats"]["data"]) >= 3  # fewer than 20 where a step is slow
        info = benchmark["extra_info"]
        assert info["flops_per_second"] == pytest.approx(info["flops"] / median, rel=1e-6)


def test_one_machine_is_one_machine(saved: list[dict[str, Any]]) -> None:
    first, second = (run["machine_info"] for run in saved)
    assert first == second
    assert first["convbench"]["libraries"]["torch"]


def test_the_histogram_is_drawn(saved: list[dict[str, Any]], storage: Path) -> None:
    (drawn,) = storage.glob("drawn*.svg")
    assert "lenet5-cpu-fp32-eager-b1" in drawn.read_text()


def test_enable_overrides_disable(tmp_path: Path) -> None:
    """`--benchmark-disable` in a project's own settings, `--benchmark-enable` on the line."""
    kept = tmp_path / "kept.json"
    run_pytest(*LENET, "--benchmark-disable", "--benchmark-enable", f"--benchmark-json={kept}")
    (benchmark,) = json.loads(kept.read_text())["benchmarks"]
    assert benchmark["stats"]["rounds"] >= 3


def test_rounds_are_those_that_were_asked_for(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    asked = ["--benchmark-min-rounds=4", "--benchmark-max-time=0.000001", "--benchmark-warmup=on"]
    said = run_pytest(*LENET, "-v", *asked, "--benchmark-only", f"--benchmark-json={kept}")
    assert "no effect on its benchmarks, which it samples itself: --benchmark-warmup" in said
    (benchmark,) = json.loads(kept.read_text())["benchmarks"]
    assert benchmark["stats"]["rounds"] == 4


def test_a_gate_without_a_match_fails(saved: list[dict[str, Any]], storage: Path) -> None:
    arguments = ["bench/test_networks.py", "-q", "-k", "vgg-small", "--benchmark-only"]
    arguments += ["--benchmark-compare", "--benchmark-compare-fail=median:5%", "--benchmark-max-time=0.01"]
    said = run_pytest(*arguments, f"--benchmark-storage={storage}", code=1)
    assert "nothing was compared" in said


def test_tests_run_without_pytest_benchmark() -> None:
    said = run_pytest("-p", "no:benchmark", "-q", "tests/test_golden.py")
    assert "passed" in said


def test_nothing_of_the_moment_is_machine_info(pytestconfig: pytest.Config) -> None:
    """A CPU whose name has no clock rate gets that of the moment as the advertised one too."""
    now = {"hz_actual": [1, 0], "hz_actual_friendly": "1 Hz", "hz_advertised": [1, 0], "brand_raw": "a CPU"}
    info: dict[str, Any] = {"cpu": dict(now)}
    pytest_benchmark_update_machine_info(pytestconfig, info)
    assert info["cpu"] == {"brand_raw": "a CPU"}
    assert "commit" not in info["convbench"]


def test_configuring_and_collecting_import_no_torch() -> None:
    """Without torch there is no CUDA to initialise."""
    script = (
        "import sys, pytest\n"
        "code = pytest.main(['--collect-only', '-q', '--benchmark-only', 'bench'])\n"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "test_inference[vgg16-" in done.stdout
    assert "-backward]" in done.stdout


@pytest.mark.parametrize("model", catalogue.MODELS)
def test_a_plain_pytest_takes_small_images(model: str) -> None:
    own = catalogue.defaults(model)
    case = Case(model=model, image=own.image, channels=own.channels, classes=own.classes, batch=2)
    tried = reduced(case)
    assert tried.image <= min(96, own.image)
    assert (tried.classes, tried.channels, tried.batch) == (10, own.channels, 2)
    assert catalogue.why_impossible(model, tried.channels, tried.image, tried.classes) is None


def planted(device: FakeDevice) -> ReadyStep:
    """A training step whose phases cost the host 1 ms each, and the device 2, 4 and 8 ms."""
    called = [partial(device.launch, 0.001, seconds) for seconds in (0.002, 0.004, 0.008)]

    def step() -> None:
        for call in called:
            call()

    steps = Steps(
        setup=lambda: device.launch(0.001, 0.016),
        step=step,
        whole_phase="step",
        phases=tuple(zip(("forward", "backward", "optimizer"), called, strict=True)),
        synchronises=False,
        why_invalid=lambda: None,
        warnings=list,
        tensors=dict,
    )
    return ReadyStep(
        case=Case(model="lenet5"),
        device=device,
        steps=steps,
        baseline=0,
        parameters=0,
        count=dict,
        read_back=dict,
    )


@pytest.mark.parametrize(
    ("phase", "seconds"),
    # The host's first millisecond, then the device, which never waits for the host again.
    [("forward", 0.003), ("backward", 0.005), ("optimizer", 0.009), ("step", 0.001 + 0.014)],
)
def test_a_round_holds_its_phase_to_the_end_and_nothing_before(phase: Phase, seconds: float) -> None:
    device = FakeDevice()
    setup, target = planted(device).calls(phase)
    for _ in range(2):
        setup()
        start = device.clock()
        target()
        assert device.clock() - start == pytest.approx(seconds)


def test_what_must_not_be_used_fails() -> None:
    subject = planted(FakeDevice())
    subject.check()
    subject.steps = replace(subject.steps, why_invalid=lambda: "steps were skipped")
    with pytest.raises(RuntimeError, match="steps were skipped"):
        subject.check()
