"""Repositories of other people, with settings of their own, use the pytest plugin of the installed wheel."""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.planted.commands import ROOT

pytestmark = pytest.mark.slow

SETTINGS = """
[tool.pytest.ini_options]
addopts = "--strict-markers --strict-config -p no:cacheprovider -rA"
filterwarnings = ["error"]
"""
THEIR_TESTS = """
import pytest
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))

    def forward(self, images):
        return self.layers(images)

@pytest.fixture
def net():
    import torch
    net = Net()
    net(torch.zeros(1, 3, 16, 16))
    return net

def test_name(convbench):
    found = convbench("lenet5", batch=2)
    low, high = found.interval or (0.0, 1.0)
    assert low <= found.median <= high
    assert found.flops == 2 * 2 * (117_600 + 240_000 + 48_000 + 10_080 + 840)
    assert found.images_per_second == pytest.approx(2 / found.median)

def test_module(convbench, net):
    assert convbench(net, batch=8, image=16).peak_bytes >= 0
    assert net.training

def test_phase(convbench, net):
    assert convbench(net, batch=8, image=16, workload="training", phase="backward").median > 0

@pytest.mark.convbench(max_seconds=1e-9)
def test_limit(convbench):
    convbench("lenet5")

def test_gpu(convbench):
    convbench("lenet5", device="cuda")

def test_of_their_own():
    pass
"""
MISTAKES = """
import torch
from torch import nn

def test_name(convbench):
    convbench("lenet6")

def test_phase(convbench):
    convbench("lenet5", phase="backwards")

def test_image(convbench):
    convbench("vgg16", image=8)

def test_shape(convbench):
    convbench(nn.Linear(4, 2), inputs=torch.zeros(3, 5))

def test_class(convbench):
    convbench(nn.Linear)

def test_device_of_module(convbench):
    convbench(nn.Linear(4, 2), inputs=torch.zeros(3, 4), device="cuda")

def test_image_of_inputs(convbench):
    convbench(nn.Linear(4, 2), inputs=torch.zeros(3, 4), image=32)

def test_twice(convbench):
    convbench(nn.Linear(4, 2), inputs=torch.zeros(3, 4))
    convbench(nn.Linear(4, 2), inputs=torch.zeros(3, 4))
"""
QUICK = ("--benchmark-max-time=0.05", "--benchmark-min-rounds=6")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A repository that uses the fixture."""
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    (tmp_path / "test_speed.py").write_text(THEIR_TESTS)
    return tmp_path


def _pytest(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=400,
    )


def test_a_repository_of_its_own_uses_the_fixture(installed: Path, theirs: Path) -> None:
    """Also under --benchmark-only, which leaves out tests without a benchmark."""
    done = _pytest(installed, theirs, *QUICK, "--benchmark-only", "--benchmark-json=kept.json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert "1 failed" in done.stdout
    assert "2 skipped" in done.stdout, "the test that is no benchmark, and the one that asks for a GPU"
    assert "above max_seconds=1e-09" in done.stdout
    assert re.search(r"SKIPPED .*: .*(CUDA|NVIDIA|GPU)", done.stdout), done.stdout
    kept = json.loads((theirs / "kept.json").read_text())
    by_name = {each["name"]: each for each in kept["benchmarks"]}
    assert {"test_name", "test_module", "test_phase", "test_limit"} == set(by_name)
    info = by_name["test_name"]["extra_info"]
    assert (info["case"]["model"], info["case"]["batch"]) == ("lenet5", 2)
    assert info["interval_scope"] == "within-process"
    assert by_name["test_phase"]["params"]["phase"] == "backward"
    assert kept["machine_info"]["convbench"]["libraries"]["torch"]


def test_a_mistake_fails_in_a_sentence(installed: Path, theirs: Path) -> None:
    (theirs / "test_speed.py").write_text(MISTAKES)
    done = _pytest(installed, theirs, "--benchmark-disable")
    sentences = dict(re.findall(r"FAILED test_speed.py::(\w+) - Failed: (.*)", done.stdout))
    assert len(sentences) == 8, done.stdout
    for test, words in (
        ("test_name", "unknown model 'lenet6'"),
        ("test_phase", "unknown phase 'backwards'"),
        ("test_image", "vgg16"),
        ("test_shape", "Linear cannot be measured with these inputs"),
        ("test_class", "got the class Linear"),
        ("test_device_of_module", "device is for a network by name"),
        ("test_image_of_inputs", "inputs have a shape of their own"),
        ("test_twice", "one network or phase per test"),
    ):
        assert words in sentences[test], sentences[test]
    assert "did you mean 'lenet5'" in sentences["test_name"].lower()
    assert "ERROR" not in done.stdout


def test_what_is_not_measured_has_no_figures(installed: Path, theirs: Path) -> None:
    done = _pytest(installed, theirs, "--benchmark-disable", "--benchmark-json=kept.json")
    assert "4 skipped" in done.stdout, done.stdout
    assert "has no figures" in done.stdout
    assert not (theirs / "kept.json").exists() or not (theirs / "kept.json").read_text()


def test_the_fixture_says_that_pytest_benchmark_is_missing(installed: Path, theirs: Path) -> None:
    done = _pytest(installed, theirs, "-p", "no:benchmark", "-k", "test_name or test_of_their_own")
    assert "1 passed" in done.stdout, done.stdout
    assert "convbench needs pytest-benchmark: pip install 'convbench[pytest]'" in done.stdout


def test_a_suite_that_does_not_use_the_fixture_is_left_alone(installed: Path, tmp_path: Path) -> None:
    """Its own packages `bench` and `models` stand in the place of ours; only the fixture says so."""
    for package in ("bench", "models"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("MINE = True")
    (tmp_path / "test_own.py").write_text(
        "import sys\nfrom models import MINE\n\n"
        "def test_own():\n    assert MINE\n    assert 'torch' not in sys.modules\n"
    )
    done = _pytest(installed, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "convbench" not in done.stderr
    (tmp_path / "test_own.py").write_text("def test_speed(convbench):\n    convbench('lenet5')\n")
    done = _pytest(installed, tmp_path)
    assert done.returncode == 1
    assert "that Python finds is not convbench's" in done.stdout
    gated = _pytest(installed, tmp_path, "--convbench-replicates=5")
    assert gated.returncode == 4
    assert "ERROR: " in gated.stderr
    assert "Traceback" not in gated.stderr


def test_the_benchmarks_of_convbench_run_from_any_folder(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    named = ("--pyargs", "bench.test_networks", "-m", "inference and fp32", "-k", "lenet5")
    figures = ("--benchmark-only", "--benchmark-group-by=param:batch", *QUICK)
    done = _pytest(installed, tmp_path, *named, *figures)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "benchmark 'batch=1': 1 tests" in done.stdout
    assert "test_inference[lenet5-cpu-fp32-eager-b1]" in done.stdout


def recipe() -> str:
    """The noxfile of docs/pytest.md."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "pytest.md").read_text(), re.DOTALL)
    (found,) = (block for block in blocks if "import nox" in block)
    return str(found)


@pytest.fixture
def with_nox(installed: Path, tmp_path: Path) -> Path:
    """A repository with that noxfile, whose environment exists: it finds the wheel, and what that needs."""
    (tmp_path / "noxfile.py").write_text(recipe())
    (tmp_path / "test_speed.py").write_text(
        "def test_lenet(convbench):\n    assert convbench('lenet5', batch=2).median > 0\n"
    )
    environment = tmp_path / ".nox" / "speed"
    venv.create(environment, with_pip=False)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "convbench.pth").write_text("\n".join([str(installed), *site.getsitepackages()]))
    return tmp_path


def _nox(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nox", "--no-install", "-s", "speed", "--", *QUICK, *arguments],
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=400,
    )


def test_the_recipe_for_nox_measures_compares_and_gates(with_nox: Path) -> None:
    pytest.importorskip("nox")
    first = _nox(with_nox)
    assert first.returncode == 0, first.stdout + first.stderr
    compared = _nox(with_nox, "--benchmark-compare")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert "test_lenet (NOW)" in compared.stdout
    assert "machine_info is different" not in compared.stdout + compared.stderr
    several = _nox(with_nox, "--convbench-replicates", "2")
    assert several.returncode == 0, several.stdout + several.stderr
    gated = _nox(with_nox, "--convbench-replicates=2", "--convbench-compare", "--convbench-fail-on", "slower")
    assert "LeNet-5" in gated.stdout, gated.stdout + gated.stderr
    assert (gated.returncode == 1) is ("convbench: gate:" in gated.stdout)
