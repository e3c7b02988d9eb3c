"""The installed wheel, as a user has it, in a folder whose own package is called `models`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert page == {"page.html.j2", "page.css", "page.js", "page.runs.css", "page.runs.js"}
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
