"""The files of some commits, each in a git worktree of its own below a folder of ours.

A worktree is another set of files of one repository: the user's files, HEAD, index and refs stay as they are.
All are removed at the end. What a kill leaves is found by its place, `FOLDER/worktrees` beside a search's
state, and removed by the next search in the same repository.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.store import locked
from bench.studies.bisect.revisions import Repository
from models.errors import UserError

WORKTREES = "worktrees"
STATE = "bisect.json"
"""Of a search, beside its worktrees."""
_DIGITS = 12


class Worktrees:
    """Those of one search, below its folder; `opened` gives them and removes them."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self._repository = repository
        self._folder = folder.resolve() / WORKTREES

    def of(self, commit: str) -> Path:
        """The folder with the files of this commit, whose full hash is given. UserError where git refuses."""
        path = self._path(commit)
        if not path.exists():
            self._repository.git("worktree", "add", "--quiet", "--detach", str(path), commit)
        return path

    def remove(self, commit: str) -> None:
        """Its folder is gone afterwards."""
        _remove(self._repository, self._path(commit))

    def remove_all(self) -> None:
        """Those of an earlier search in the same folder too."""
        for path in _listed(self._repository):
            if path.parent == self._folder:
                _remove(self._repository, path)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, commit: str) -> Path:
        return self._folder / commit[:_DIGITS]


@contextmanager
def opened(repository: Repository, folder: Path) -> Iterator[Worktrees]:
    """The worktrees of a search whose `folder` this process has locked; all are removed, whatever ends it."""
    trees = Worktrees(repository, folder)
    try:
        trees.remove_all()
        _remove_abandoned(repository)
        yield trees
    finally:
        trees.remove_all()


def _remove_abandoned(repository: Repository) -> None:
    """Those of searches that were killed: nobody holds the lock of their folder."""
    for path in _listed(repository):
        folder = path.parent.parent
        if path.parent.name != WORKTREES or not (folder / STATE).exists():
            continue
        with suppress(UserError), locked(folder):  # in use, or of another user
            _remove(repository, path)


def _listed(repository: Repository) -> list[Path]:
    """All worktrees that the repository knows, whether their folders exist or not."""
    lines = repository.git("worktree", "list", "--porcelain").split("\n")
    return [Path(line.removeprefix("worktree ")) for line in lines if line.startswith("worktree ")]


def _remove(repository: Repository, path: Path) -> None:
    repository.asks("worktree", "remove", "--force", "--force", str(path))
    shutil.rmtree(path, ignore_errors=True)
