"""`convbench --version`, and that every command answers -h."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
import sys

import pytest

from bench.cli import COMMANDS
from tests.planted.commands import ROOT, Command


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_one_line(command_line: Command, option: str) -> None:
    answer = command_line(option)
    assert answer.code == 0
    assert answer.err == ""
    assert re.fullmatch(r"convbench [^,]+, torch [^,]+, (no CUDA|CUDA [\d.]+), Python [^,]+\n", answer.out)
    for said in (
        f"convbench {importlib.metadata.version('convbench')},",
        f"torch {importlib.metadata.version('torch')},",
    ):
        assert said in answer.out
    assert answer.out.endswith(f"Python {platform.python_version()}\n")


@pytest.mark.slow
def test_the_version_does_not_import_torch() -> None:
    code = (
        "import sys; sys.argv[1:] = ['--version']; import bench.cli\n"
        "try: bench.cli.main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_h_is_help(command_line: Command, command: str | None) -> None:
    before = () if command is None else (command,)
    short, long = command_line(*before, "-h"), command_line(*before, "--help")
    assert short.code == 0
    assert short == long
    assert "Usage:" in short.out
