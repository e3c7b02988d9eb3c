"""What a commit should not have: large files, and texts that do not end with one line break."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.commands import ROOT
from tests.test_gpu_trial import loaded

TIDY = loaded("tidy_files")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a\n", None),
        (b"", None),
        (b"\0\0", None),
        (b"a", "does not end with a line break"),
        (b"a\n\n", "ends with empty lines"),
        (b"a" * 600_000, "is larger than 500 kB"),
    ],
)
def test_a_fault_is_a_sentence_and_exit_code_1(tmp_path: Path, content: bytes, words: str | None) -> None:
    (tmp_path / "file").write_bytes(content)
    command = [sys.executable, str(ROOT / ".ci" / "tidy_files.py"), "file"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0 if words is None else 1, "")
    assert done.stdout == ("" if words is None else f"file {words}{done.stdout.partition(words)[2]}")


def test_the_files_of_the_repository_are_tidy(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("no git, or no repository of it here")
    monkeypatch.chdir(ROOT)
    assert list(TIDY.faults([name for name in listed.stdout.split("\0") if name])) == []


def test_the_hook_is_in_the_list() -> None:
    assert ".ci/tidy_files.py" in (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
