"""The installed wheel, as a user has it, in a folder whose own package is called `models`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.commands import ROOT

pytestmark = pytest.mark.slow

NET = """
from torch import nn
from models.blocks import block
from .blocks import block as same

assert block is same

def build(channels, classes):
    return nn.Sequential(block(channels), nn.Flatten(), nn.LazyLinear(classes))
"""
BLOCKS = """
from torch import nn

def block(channels):
    return nn.Conv2d(channels, 4, 3)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is installed, without what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy: building leaves its folders where it is started
    for package in ("bench", "models", "reports"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    shutil.copytree(ROOT / "convbench-stubs", source / "convbench-stubs")
    for name in ("convbench.py", "convbench_pytest.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("convbench-*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def _convbench(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(installed / "bin" / "convbench"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_command_answers(installed: Path, tmp_path: Path) -> None:
    done = _convbench(installed, tmp_path, "list", "models", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "vgg16" in {row["name"] for row in json.loads(done.stdout)["rows"]}


def test_measures_a_factory_of_a_package_that_is_called_models(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name, text in (("__init__", ""), ("net", NET), ("blocks", BLOCKS)):
        (tmp_path / "models" / f"{name}.py").write_text(text)
    run = ("run", "--model", "models/net.py:build", "--image", "8", "--classes", "5", "--replicates", "1")
    workload = ("--workload", "inference,training", "--target-ci", "100%")
    done = _convbench(installed, tmp_path, *run, *workload, "--out", "out", "--format", "json")
    assert done.returncode == 0, done.stderr
    parameters = {row["median"] for row in json.loads(done.stdout)["rows"] if row["metric"] == "parameters"}
    assert parameters == {(3 * 9 + 1) * 4 + (4 * 6 * 6 + 1) * 5}


def test_holds_what_the_commands_need_and_no_tests_of_the_project(installed: Path) -> None:
    assert (installed / "models" / "published.csv").exists()
    page = {file.name for file in (installed / "reports" / "formats").glob("page.*")}
    assert page == {"page.html.j2", "page.css", "page.js"}
    assert not (installed / "tests").exists()


PROGRAM = """
from pathlib import Path

import torch

import convbench

macs: int = convbench.cost("vgg16", image=96).macs
run: convbench.Run = convbench.run(model="lenet5", batch=[1, 8], out=Path("runs"), replicates=2)
rows: list[dict[str, str | int | float | None]] = convbench.load("runs", "more").rows()
verdicts = [row.verdict for row in convbench.compare(run, "other", margin=0.05)]
found = convbench.measure(torch.nn.Linear(2, 2), torch.ones(1, 2), workload="training")
seconds: float = found.median
phases: list[str] = [time.phase for time in found.times]
reveal_type(found)
"""
WRONG = """
import convbench

convbench.cost(96)
convbench.run(model="lenet5")
convbench.measure("net", None, workload="accuracy")
convbench.load("runs").rows().median
"""


def _checked(installed: Path, folder: Path, program: str) -> tuple[int, str]:
    """By mypy, strict, as a user runs it: against the installed packages alone."""
    (folder / "program.py").write_text(program)
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "program.py"],
        cwd=folder,
        env={**os.environ, "MYPYPATH": "", "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def test_is_typed_for_its_users(installed: Path) -> None:
    for package in ("bench", "models", "reports"):
        assert (installed / package / "py.typed").exists()
    assert (installed / "convbench-stubs" / "__init__.pyi").exists()


def test_a_program_is_type_checked_against_it(installed: Path, tmp_path: Path) -> None:
    code, said = _checked(installed, tmp_path, PROGRAM)
    assert code == 0, said
    assert "reports.pages.module_report.Measured" in said
    code, said = _checked(installed, tmp_path, WRONG)
    assert code == 1
    assert [f"program.py:{line}: error" in said for line in (4, 5, 6, 7)] == [True] * 4, said


def test_the_public_module_answers(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import convbench; print(convbench.cost('lenet5').parameters, convbench.__file__)",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["61706", str(installed / "convbench.py")], done.stderr


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

def test_bad_input(convbench):
    convbench("lenet6")

def test_of_their_own():
    pass
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A repository that uses the fixture."""
    (tmp_path / "test_speed.py").write_text(THEIR_TESTS)
    return tmp_path


def _pytest(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_a_repository_of_its_own_uses_the_fixture(installed: Path, theirs: Path) -> None:
    quick = ("--benchmark-max-time=0.05", "--benchmark-min-rounds=6", "--benchmark-json=kept.json")
    done = _pytest(installed, theirs, *quick)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "2 failed" in done.stdout
    assert "above max_seconds=1e-09" in done.stdout
    assert "unknown model 'lenet6'" in done.stdout
    kept = json.loads((theirs / "kept.json").read_text())
    by_name = {each["name"]: each for each in kept["benchmarks"]}
    assert {"test_name", "test_module", "test_phase", "test_limit"} == set(by_name)
    info = by_name["test_name"]["extra_info"]
    assert (info["case"]["model"], info["case"]["batch"]) == ("lenet5", 2)
    assert info["interval_scope"] == "within-process"
    assert by_name["test_phase"]["params"]["phase"] == "backward"


def test_what_is_not_measured_has_no_figures(installed: Path, theirs: Path) -> None:
    done = _pytest(installed, theirs, "--benchmark-disable", "--benchmark-json=kept.json")
    assert "3 skipped" in done.stdout, done.stdout
    assert "has no figures" in done.stdout
    assert not (theirs / "kept.json").exists() or not (theirs / "kept.json").read_text()


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
