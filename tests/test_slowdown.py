"""A slowdown of 5% that somebody puts into a network is found by the commands that a user types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.commands import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.alone]

BOOT = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bench.cli; bench.cli.main()"
REPLICATES = 4

SLEEPER = """
import time
from torch import nn

class Sleeper(nn.Module):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds
        self.linear = nn.Linear(64, 10)

    def forward(self, images):
        time.sleep(self.seconds)
        return self.linear(images.flatten(1))

def before():
    return Sleeper(0.040)

def after():
    return Sleeper(0.042)
"""


def convbench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", BOOT, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one file, whose network sleeps 5% longer in the second: a sleep scatters little."""
    folder = tmp_path_factory.mktemp("slowdown")
    usual = ("--image", "8", "--channels", "1", "--threads", "1", "--replicates", str(REPLICATES))
    for name in ("before", "after"):
        (folder / "net.py").write_text(SLEEPER.replace(f"def {name}()", "def build()"))
        done = convbench(folder, "run", "--model", "net.py:build", *usual, "--out", name)
        assert done.returncode == 0, done.stderr
    return folder


def test_compare_finds_it_and_fails_the_gate(runs: Path) -> None:
    done = convbench(runs, "compare", "before", "after", "--fail-on", "slower", "--format", "json")
    assert done.returncode == 1, done.stderr
    (row,) = (row for row in json.loads(done.stdout)["rows"] if row["metric"] == "wall_time")
    assert row["verdict"] == "slower"
    assert row["low"] < 1.05 < row["high"] or row["ratio"] == pytest.approx(1.05, rel=0.01)
    assert (row["n_base"], row["n_new"]) == (REPLICATES, REPLICATES)


def test_a_margin_that_is_wider_calls_it_equivalent(runs: Path) -> None:
    done = convbench(runs, "compare", "before", "after", "--margin", "10%", "--format", "json")
    assert done.returncode == 0, done.stderr
    (row,) = (row for row in json.loads(done.stdout)["rows"] if row["metric"] == "wall_time")
    assert row["verdict"] == "equivalent"
