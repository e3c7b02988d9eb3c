"""Every command of the README works as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples, as a user's clone has them; the commands build on each other's runs."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str, folder: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "convbench"
    boot = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bench.cli; bench.cli.main()"
    # The quickest protocol the command line has: what is tested is that the command works.
    quick = {
        "run": ["--target-ci", "100%"],
        "ab": ["--target-ci", "100%", "--budget", "1"],
        "train": ["--epochs", "1"],
        "ablate": ["--epochs", "1", "--budget", "1"],
        "best": ["--budget", "10", "--no-ceilings"],
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", boot, *arguments, *quick.get(arguments[0], [])],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_ci_runs_the_test_command_that_stands_here() -> None:
    commands = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)
    assert len(commands) == 2
    install, _, tests = commands[1].rpartition(" && ")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(part in script for part in [*install.split(" && "), tests])
