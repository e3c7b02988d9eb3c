"""`pytest --update-golden` writes golden files; without it a difference fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.commands import ROOT
from tests.planted.golden import Golden

TEST = """
from pathlib import Path

def test_report(golden):
    golden.check(Path(__file__).with_name("report.md"), "new")
"""


def run_tests(folder: Path, *options: str) -> int:
    """The exit code of pytest on `folder`, with this checkout's conftest and no other test."""
    ours = [sys.executable, "-m", "pytest", "-q", "-p", "conftest"]
    command = [*ours, "--rootdir", str(folder), str(folder), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True).returncode


@pytest.mark.slow
def test_the_option_writes_what_differs(tmp_path: Path) -> None:
    (tmp_path / "test_report.py").write_text(TEST)
    kept = tmp_path / "report.md"
    kept.write_text("old")
    assert run_tests(tmp_path) == pytest.ExitCode.TESTS_FAILED
    assert kept.read_text() == "old"
    assert run_tests(tmp_path, "--update-golden") == pytest.ExitCode.OK
    assert kept.read_text() == "new"
    assert run_tests(tmp_path) == pytest.ExitCode.OK


def test_a_missing_file_fails_and_is_written(tmp_path: Path) -> None:
    kept = tmp_path / "report.md"
    with pytest.raises(AssertionError, match="--update-golden"):
        Golden(update=False).check(kept, "text")
    Golden(update=True).check(kept, "text")
    assert kept.read_text() == "text"


def test_what_differs_only_beside_the_essence_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "report.md"
    kept.write_text("Time")
    for update in (False, True):
        Golden(update).check(kept, "TIME", essence=str.lower)
    assert kept.read_text() == "Time"
