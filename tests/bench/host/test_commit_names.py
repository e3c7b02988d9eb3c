"""Other programs want all digits of a commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.host import commit_names


def test_all_digits_of_a_commit_of_the_checkout(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@b")
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    whole = git("rev-parse", "HEAD")
    assert len(whole) == 40
    assert commit_names.full(whole[:12], tmp_path) == whole
    for other in ("0123456789ab", "--help", "a\0b", ""):
        assert commit_names.full(other, tmp_path) == other
    assert commit_names.full(whole[:12], tmp_path / "none") == whole[:12]


def test_a_changed_checkout_is_no_commit() -> None:
    assert commit_names.is_whole("0123456789ab")
    assert not commit_names.is_whole("0123456789ab-dirty")
