"""What git says of a user's repository. Everything here only reads; `worktrees` alone writes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench.schema.plain_text import in_print
from bench.studies.bisect.narrowing import Known
from models.errors import UserError, nearest

_OF_ONE_REPOSITORY = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE"),
)
"""Environment variables that git sets for its hooks: `git rev-parse --local-env-vars`."""
_SETTINGS = ("core.hooksPath=/dev/null", "core.quotePath=false", "log.showSignature=false")
"""No user's hook runs for what is done here, and names and logs are plain."""


class Commit(Struct, frozen=True, kw_only=True):
    """A commit as people know it; `date` is its author's, YYYY-MM-DD."""

    hash: str
    short: str
    subject: str
    author: str
    date: str

    @property
    def name(self) -> str:
        """`abc1234 'Subject'`"""
        return f"{self.short} '{self.subject}'" if self.subject else self.short


class Repository(Struct, frozen=True):
    """A git repository: its top folder, and the folder in it where the user stands, relative to the top."""

    top: Path
    inside: Path = Path()

    def git(self, *words: str) -> str:
        """What git prints on standard output. UserError with its last line where it fails."""
        done = _git(self.top, words)
        if done.returncode != 0:
            raise UserError(f"git {words[0]} failed: {_said(done)}")
        return done.stdout

    def asks(self, *words: str) -> str | None:
        """As `git`; None where it fails."""
        done = _git(self.top, words)
        return done.stdout if done.returncode == 0 else None


def find(folder: Path, here: Path) -> Repository:
    """The repository that holds `folder`; `here` is where the user stands. UserError where there is none."""
    if not folder.is_dir():
        raise UserError(f"--repo {folder} is not a folder")
    done = _git(folder, ("rev-parse", "--show-toplevel"))
    if done.returncode != 0:
        raise UserError(
            f"{folder} is in no git repository with files ({_said(done)}). Give one: --repo FOLDER"
        )
    top = Path(done.stdout.rstrip("\n")).resolve()
    place = here.resolve()
    return Repository(top, place.relative_to(top) if place.is_relative_to(top) else Path())


def commit_of(repository: Repository, revision: str) -> Commit:
    """The commit that a revision names. UserError for an unknown one, with the nearest branch or tag."""
    found = repository.asks("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found is None or revision.startswith("-"):
        names = repository.git("for-each-ref", "--format=%(refname:short)").split()
        hint = "" if not _is_shallow(repository) else f". {_DEEPEN}"
        raise UserError(
            f"unknown revision {revision!r} in {repository.top}{nearest(revision, names) or hint}"
        )
    return described(repository, [found.strip()])[0]


def described(repository: Repository, hashes: Sequence[str]) -> list[Commit]:
    """These commits in words, in their order."""
    if not hashes:
        return []
    form = "--format=%H%x00%h%x00%s%x00%an%x00%as"
    printed = repository.git("log", "--no-walk=unsorted", form, *hashes)
    # not splitlines, for which a form feed in a subject would end the line too
    found = (line.split("\0") for line in printed.removesuffix("\n").split("\n"))
    return [
        Commit(hash=digits, short=short, subject=in_print(subject), author=in_print(author), date=date)
        for digits, short, subject, author, date in found
    ]


def refuse_unrelated(repository: Repository, good: Commit, bad: Commit) -> None:
    """UserError unless GOOD is an ancestor of BAD, and another commit."""
    if good.hash == bad.hash:
        raise UserError(f"GOOD and BAD are one commit, {good.name}: there is nothing between them")
    if repository.asks("merge-base", "--is-ancestor", good.hash, bad.hash) is not None:
        return
    told = f"GOOD {good.short} is no ancestor of BAD {bad.short}"
    if repository.asks("merge-base", "--is-ancestor", bad.hash, good.hash) is not None:
        raise UserError(f"{told}: BAD is the older one. Exchange them, or ask for what got faster: --faster")
    base = repository.asks("merge-base", good.hash, bad.hash)
    if base is not None:
        fork = described(repository, [base.strip()])[0]
        raise UserError(f"{told}. They have {fork.name} in common: give that as GOOD if it is fast")
    raise UserError(f"{told}. {_DEEPEN if _is_shallow(repository) else 'They share no history'}")


def ranked(repository: Repository, known: Known, *, first_parent: bool) -> list[str]:
    """The commits that may be the first bad one, those first that halve the others best, the bad one last."""
    words = ["rev-list", "--bisect-all", *(["--first-parent"] if first_parent else ())]
    lines = repository.git(*words, known.bad, "--not", *known.good).splitlines()
    return [line.split()[0] for line in lines]


def newest_first(repository: Repository, known: Known, *, first_parent: bool) -> list[str]:
    """The same commits, none before one that comes after it."""
    words = ["rev-list", "--topo-order", *(["--first-parent"] if first_parent else ())]
    return repository.git(*words, known.bad, "--not", *known.good).splitlines()


def first_parent_of(repository: Repository, commit: str) -> str | None:
    """Its hash; None of a commit without parents."""
    found = repository.asks("rev-parse", "--verify", "--quiet", f"{commit}^1")
    return None if found is None else found.strip()


def has_file(repository: Repository, commit: str, path: Path) -> bool:
    """Whether the commit has a file or folder of this path, relative to the top."""
    return repository.asks("cat-file", "-e", f"{commit}:{path.as_posix()}") is not None


def submodules(repository: Repository, commit: str) -> tuple[str, ...]:
    """The folders of its submodules."""
    words = ("config", "--blob", f"{commit}:.gitmodules", "--get-regexp", r"\.path$")
    found = repository.asks(*words)
    return tuple(line.partition(" ")[2] for line in (found or "").split("\n") if line)


def is_changed(repository: Repository) -> bool:
    """Whether tracked files differ from the commit that is checked out."""
    return bool(repository.asks("--no-optional-locks", "status", "--porcelain", "--untracked-files=no"))


_DEEPEN = "This clone is shallow: fetch the rest of its history with `git fetch --unshallow`"


def _is_shallow(repository: Repository) -> bool:
    return (repository.asks("rev-parse", "--is-shallow-repository") or "").strip() == "true"


def _git(folder: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """UserError where there is no git."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_ONE_REPOSITORY}
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = ["git", "-C", str(folder), *settings, *words]
    try:
        return subprocess.run(
            command,
            env={**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise UserError("bisect needs git, which is not on the PATH. Install it") from None


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("fatal: ") if lines else f"exit code {done.returncode}"
