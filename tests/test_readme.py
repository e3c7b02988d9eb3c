"""Every command of the README and of docs/ works as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.planted.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(text: str) -> list[str]:
    """The lines of a page's blocks of shell."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def takes_long(command: str) -> bool:
    """Whether a command starts a child, or reads what an earlier one of its page has measured."""
    words = command.split()
    starts = words[1] in ("cost", "selftest", "time") or any(word.startswith("runs/") for word in words)
    return starts and "--dry-run" not in words


COMMANDS = [
    pytest.param(page, command, id=command, marks=[pytest.mark.slow] if takes_long(command) else [])
    for page in PAGES
    for command in commands(page.read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """For each page a folder with the examples, as a user's clone has them: its commands build on each
    other's runs."""

    @cache
    def folder(page: Path) -> Path:
        made = tmp_path_factory.mktemp(page.stem)
        shutil.copytree(ROOT / "examples", made / "examples")
        return made

    return folder


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_command(page: Path, command: str, folder_of: Callable[[Path], Path]) -> None:
    program, *arguments = shlex.split(command)
    assert program == "convbench"
    boot = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import bench.cli; bench.cli.main()"
    # The quickest protocol the command line has: what is tested is that the command works.
    quick = {
        "run": ["--target-ci", "100%"],
        "time": ["--until", "100%", "--budget", "1"],
        "ab": ["--target-ci", "100%", "--budget", "1"],
        "train": ["--epochs", "1"],
        "ablate": ["--epochs", "1", "--budget", "1"],
        "best": ["--budget", "10", "--no-ceilings"],
    }
    added = quick.get(arguments[0], [])
    if arguments[0] == "run" and {"--replicates", "--until", "--suite", "--resume"}.isdisjoint(arguments):
        added = [*added, "--until", "100%"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", boot, *arguments, *added],
        cwd=folder_of(page),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_programs(page: str, tmp_path: Path) -> None:
    """The blocks of a page, one after the other as one program: they build on each other."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    (tmp_path / "program.py").write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_ci_runs_the_test_command_that_stands_here() -> None:
    commands = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)
    assert len(commands) == 2
    install, _, tests = commands[1].rpartition(" && ")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(part in script for part in [*install.split(" && "), tests])
