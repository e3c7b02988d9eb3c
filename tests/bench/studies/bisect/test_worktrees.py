"""Files of commits beside the user's own, which stay as they are; nothing is left, not by a kill either."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.store import locked
from bench.studies.bisect.revisions import Repository
from bench.studies.bisect.worktrees import STATE, WORKTREES, opened
from models.errors import UserError
from tests.planted.planted_history import History, line


@pytest.fixture
def history(tmp_path: Path) -> History:
    made = line(tmp_path / "repository", [0.0, 0.1])
    hook = made.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\n")
    hook.chmod(0o755)
    return made


def interrupted(history: History, folder: Path) -> None:
    """A search that is ended by Ctrl-C while it has two worktrees."""
    with opened(Repository(history.folder), folder) as trees:
        one, other = (trees.of(history.hashes[name]) for name in ("c0", "c1"))
        assert [(tree / "speed").read_text() for tree in (one, other)] == ["0.0", "0.1"]
        assert trees.of(history.hashes["c0"]) == one
        (one / "of a compiler").touch()
        trees.remove(history.hashes["c0"])
        assert not one.exists()
        raise KeyboardInterrupt


def test_each_worktree_has_its_commit_and_all_are_gone_at_the_end(history: History, tmp_path: Path) -> None:
    before = history.state()
    with pytest.raises(KeyboardInterrupt):
        interrupted(history, tmp_path / "out")
    assert not (tmp_path / "out" / WORKTREES).exists()
    assert history.state() == before
    assert not (tmp_path / "hook-ran").exists()


def test_what_a_kill_leaves_is_removed_by_the_next_search(history: History, tmp_path: Path) -> None:
    """Of another folder too, unless a search is under way there; a user's own worktree stays."""
    repository = Repository(history.folder)
    history.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "own" / WORKTREES / "mine"))
    before = history.state()
    left = [tmp_path / name / WORKTREES / "abc" for name in ("killed", "running", "again")]
    for path in left:
        history.git("worktree", "add", "--quiet", "--detach", str(path))
        (path.parent.parent / STATE).touch()
    (tmp_path / "gone").mkdir()
    history.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "gone" / "tree"))
    shutil.rmtree(tmp_path / "gone")  # git says that it can be pruned; that is the user's to do
    with locked(tmp_path / "running"), opened(repository, tmp_path / "again"):
        assert [path.exists() for path in left] == [False, True, False]
    with opened(repository, tmp_path / "new"):
        assert not left[1].exists()
    history.git("worktree", "prune")
    assert history.state() == before


def test_what_git_refuses_is_a_sentence(history: History, tmp_path: Path) -> None:
    with (
        opened(Repository(history.folder), tmp_path / "out") as trees,
        pytest.raises(UserError, match="git worktree"),
    ):
        trees.of("0" * 40)
