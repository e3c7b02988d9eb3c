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
from typing import NamedTuple

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
NOT_THEIRS = ("hypothesispytest", "xdist", "xdist.looponfail", "platformdirs")
"""Plug-ins of this environment that convbench does not need: importing Hypothesis takes half a second."""


def _run(words: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    hidden = {
        "CUDA_VISIBLE_DEVICES": "",
        "COLUMNS": "200",
        "PYTEST_ADDOPTS": " ".join(f"-p no:{name}" for name in NOT_THEIRS),
    }
    env = {**os.environ, **hidden, **variables}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=env, capture_output=True, text=True, timeout=400
    )


def _pytest(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _run(["pytest", *arguments], folder, PYTHONPATH=str(installed))


def _repository(folder: Path, **files: str) -> Path:
    """With settings of its own, and these files of tests."""
    (folder / "pyproject.toml").write_text(SETTINGS)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


class Session(NamedTuple):
    """Of pytest in such a repository: one for several tests, as each imports torch twice."""

    folder: Path
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def measured(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Their benchmarks, and one of convbench's own, which is found from any folder. `--benchmark-only` leaves
    out tests without a benchmark."""
    folder = _repository(tmp_path_factory.mktemp("measured"), test_speed=THEIR_TESTS)
    named = (
        "test_speed.py",
        "--pyargs",
        "bench.test_networks",
        "-k",
        "test_speed or lenet5-cpu-fp32-eager-b1",
    )
    figures = ("--benchmark-only", "--benchmark-json=kept.json", "--benchmark-group-by=param:batch")
    return Session(folder, _pytest(installed, folder, *named, *figures, *QUICK))


@pytest.fixture(scope="module")
def unmeasured(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Their benchmarks, and mistakes in others, with --benchmark-disable."""
    files = {"test_speed": THEIR_TESTS, "test_mistakes": MISTAKES}
    folder = _repository(tmp_path_factory.mktemp("unmeasured"), **files)
    return Session(folder, _pytest(installed, folder, "--benchmark-disable", "--benchmark-json=kept.json"))


def test_a_repository_of_its_own_uses_the_fixture(measured: Session) -> None:
    done = measured.done
    assert done.returncode == 1, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "1 failed" in done.stdout
    assert "2 skipped" in done.stdout, "the test that is no benchmark, and the one that asks for a GPU"
    assert "above max_seconds=1e-09" in done.stdout
    assert re.search(r"SKIPPED .*: .*(CUDA|NVIDIA|GPU)", done.stdout), done.stdout
    kept = json.loads((measured.folder / "kept.json").read_text())
    by_name = {each["name"]: each for each in kept["benchmarks"]}
    ours = {name for name in by_name if name.startswith("test_inference")}
    assert {"test_name", "test_module", "test_phase", "test_limit"} == set(by_name) - ours
    info = by_name["test_name"]["extra_info"]
    assert (info["case"]["model"], info["case"]["batch"]) == ("lenet5", 2)
    assert info["interval_scope"] == "within-process"
    assert by_name["test_phase"]["params"]["phase"] == "backward"
    assert kept["machine_info"]["convbench"]["libraries"]["torch"]


def test_the_benchmarks_of_convbench_run_from_any_folder(installed: Path, measured: Session) -> None:
    assert "benchmark 'batch=1': 2 tests" in measured.done.stdout, "beside test_limit of theirs"
    assert "test_inference[lenet5-cpu-fp32-eager-b1]" in measured.done.stdout
    named = ("--pyargs", "bench.test_networks", "-m", "inference and fp32", "-k", "lenet5", "--co", "-q")
    listed = _pytest(installed, measured.folder, *named)
    assert re.findall(r"::(\S+)", listed.stdout) == ["test_inference[lenet5-cpu-fp32-eager-b1]"]


def test_a_mistake_fails_in_a_sentence(unmeasured: Session) -> None:
    done = unmeasured.done
    sentences = dict(re.findall(r"FAILED test_mistakes.py::(\w+) - Failed: (.*)", done.stdout))
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


def test_what_is_not_measured_has_no_figures(unmeasured: Session) -> None:
    kept = unmeasured.folder / "kept.json"
    assert "4 skipped" in unmeasured.done.stdout, unmeasured.done.stdout
    assert "has no figures" in unmeasured.done.stdout
    assert not kept.exists() or not kept.read_text()


def test_the_fixture_says_that_pytest_benchmark_is_missing(installed: Path, tmp_path: Path) -> None:
    two = "def test_name(convbench):\n    convbench('lenet5')\n\ndef test_of_their_own():\n    pass\n"
    done = _pytest(installed, _repository(tmp_path, test_speed=two), "-p", "no:benchmark")
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
    return _run(["nox", "--no-install", "-s", "speed", "--", *QUICK, *arguments], folder)


def test_the_recipe_for_nox_measures_compares_and_gates(with_nox: Path) -> None:
    pytest.importorskip("nox")
    first = _nox(with_nox, "--convbench-replicates", "2")
    assert first.returncode == 0, first.stdout + first.stderr
    gate = ("--convbench-replicates=2", "--convbench-compare", "--convbench-fail-on", "slower")
    gated = _nox(with_nox, "--benchmark-compare", *gate)
    assert "test_lenet (NOW)" in gated.stdout, gated.stdout + gated.stderr
    assert "machine_info is different" not in gated.stdout + gated.stderr
    assert "LeNet-5" in gated.stdout, gated.stdout + gated.stderr
    assert (gated.returncode == 1) is ("convbench: gate:" in gated.stdout)
