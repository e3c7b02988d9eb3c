"""A git repository with a history of our own, in which nothing is measured."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "ada@example.org" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "2026-03-01T12:00:00+00:00" for who in ("AUTHOR", "COMMITTER")},
}


class History:
    """Commits are added one by one; each is called by its subject."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hashes: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        """What git prints; fails where it does."""
        done = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env={**os.environ, **SETTINGS},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def commit(self, subject: str, files: Mapping[str, str], *, onto: str | None = None) -> str:
        """Write these files, after going to the commit `onto` if one is named; the hash."""
        if onto is not None:
            self.git("checkout", "--quiet", self.hashes[onto])
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", subject)
        return self._keep(subject)

    def merge(self, subject: str, one: str, *others: str) -> str:
        """Unite commits by their subjects; what they disagree on is as in the first."""
        self.git("checkout", "--quiet", self.hashes[one])
        words = ("merge", "--quiet", "--no-ff", "-X", "ours", "-m", subject)
        self.git(*words, *(self.hashes[other] for other in others))
        return self._keep(subject)

    def _keep(self, subject: str) -> str:
        self.hashes[subject] = self.git("rev-parse", "HEAD").strip()
        return self.hashes[subject]

    def subject(self, commit: str) -> str:
        """Of a hash."""
        return next(subject for subject, each in self.hashes.items() if each == commit)

    def state(self) -> Sequence[str]:
        """All that a search must leave as it is: HEAD, refs, index, files, worktrees and what git keeps."""
        git = self.folder / ".git"
        kept = sorted(path.name for path in git.iterdir() if path.name != "worktrees" or any(path.iterdir()))
        return (
            (git / "HEAD").read_text(),
            self.git("for-each-ref"),
            self.git("status", "--porcelain"),
            self.git("ls-files", "--stage"),
            self.git("worktree", "list"),
            *kept,
        )


def line(folder: Path, speeds: Sequence[float | None]) -> History:
    """Commits `c0`, `c1`, ... with a file `speed`: log of their time over that of `c0`; None is broken."""
    history = History(folder)
    for number, speed in enumerate(speeds):
        files = {"net.py": "def build(): ...\n", "speed": "broken" if speed is None else str(speed)}
        history.commit(f"c{number}", files)
    return history
