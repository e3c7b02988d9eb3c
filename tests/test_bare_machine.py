"""A machine with a GPU and no network has torch and pytest, and little of the extra `dev`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.commands import ROOT

HIDE = """
import sys

HIDDEN = {"nox", "selenium", "jsonschema", "yaml", "tensorboard"}


class Hiding:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Hiding)
"""


@pytest.mark.slow
def test_the_tests_for_a_gpu_are_collected_without_the_tools_for_development(tmp_path: Path) -> None:
    """Without those that tune for minutes, too."""
    (tmp_path / "hide_tools.py").write_text(HIDE)
    command = [sys.executable, "-m", "pytest", "-p", "hide_tools", "--collect-only", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command += ["-m", "cuda and not slow"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stdout
    assert "test_on_a_gpu_the_peak_is_that_of_the_memory_pass_and_little_is_left_over" in done.stdout
    assert "test_one_step_does_the_same_on_cuda_with_every_engine[compile-inference]" in done.stdout
    assert "max-autotune" not in done.stdout
