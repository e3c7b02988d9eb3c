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
    for name in ("pyproject.toml", "README.md", "LICENSE"):
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
        timeout=120,
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
