"""How a process measures the files of a worktree and not those that are installed or checked out.

A user's network: its processes start in the worktree, at the place where the user stands in his repository,
and look for his packages in the worktree first: in its top, in `src`, and where this Python finds packages of
the repository (an editable install). convbench's own repository: the worktree is ahead of what is installed,
and `bench.entry` of each commit measures. Both are checked: what comes from elsewhere is not measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench.runner.questions import ask_child, questions_of
from bench.schema import job
from bench.schema.case import Case
from bench.studies.ab.interleaved import server_of
from bench.studies.ab.sides import Side
from bench.studies.bisect.revisions import Commit, Repository, has_file
from models import catalogue
from models.catalogue import OUR_PACKAGES, FileFactory, ModuleFactory
from models.errors import UserError
from models.user_imports import SOURCES

_ENTRY = Path("bench/entry.py")
_OWN_FILES = (_ENTRY, Path("models/catalogue.py"), Path("convbench.py"))
_INSTALLED = {"site-packages", "dist-packages"}
_PROBE_SECONDS = 60.0
_SEARCHED = "import json, sys; print(json.dumps(sys.path))"
_FOUND = "import importlib.util, json; print(json.dumps([importlib.util.find_spec('bench.entry').origin]))"


class Sources(Struct, frozen=True, kw_only=True):
    """What the worktrees of one search are measured with.

    python    another environment's interpreter; None for this one
    is_ours   whether it is the repository of convbench itself
    searched  folders of the repository, relative to its top, in which Python looks for packages, in order
    """

    repository: Repository
    python: Path | None = None
    is_ours: bool = False
    searched: tuple[str, ...] = ()


def sources_of(repository: Repository, good: str, python: Path | None) -> Sources:
    """Of a repository whose good end is this commit. UserError where the interpreter does not answer."""
    entries = _asked(python, _SEARCHED, {})
    inside = [Path(entry) for entry in entries if entry and not _INSTALLED & set(Path(entry).parts)]
    own = [path.relative_to(repository.top) for path in inside if path.is_relative_to(repository.top)]
    return Sources(
        repository=repository,
        python=python,
        is_ours=all(has_file(repository, good, file) for file in _OWN_FILES),
        searched=tuple(dict.fromkeys([*(path.as_posix() for path in own), "src", "."])),
    )


def name_in_tree(sources: Sources, model: str) -> str:
    """The name of a network as it is called from `Repository.inside` in any worktree. UserError for a network
    that no commit of the repository changes, and for a file outside of it."""
    source = catalogue.parse(model)
    repository = sources.repository
    if isinstance(source, FileFactory):
        path = source.path.resolve()
        if not path.is_relative_to(repository.top):
            raise UserError(f"{source.path} is not in {repository.top}, whose commits are compared")
        relative = os.path.relpath(path, repository.top / repository.inside)
        return relative + model[_colon_of(model, source) :]
    if not isinstance(source, ModuleFactory) and not sources.is_ours:
        raise UserError(
            f"{model} is no network of {repository.top}, so its commits cannot change it. "
            "Give --model FILE.py:FUNCTION or --model package.module:FUNCTION"
        )
    return model


def case_in_trees(sources: Sources, case: Case, ends: Sequence[Commit]) -> Case:
    """The case as it is called in any worktree. UserError as `name_in_tree` says, and for a file that GOOD or
    BAD, the `ends`, does not have."""
    name = name_in_tree(sources, case.model)
    file = file_of(sources, name)
    for which, end in zip(("GOOD", "BAD"), ends, strict=True):
        if file is not None and not has_file(sources.repository, end.hash, file):
            raise UserError(f"{which}, {end.short}, has no file {file}. Give commits that both have it")
    return structs.replace(case, model=name)


def _colon_of(model: str, source: FileFactory) -> int:
    return model.index(f".py:{source.factory}") + len(".py")


def file_of(sources: Sources, name: str) -> Path | None:
    """The file of a network, relative to the top of the repository; None of one that is none of a file."""
    place, colon, _ = name.partition(".py:")
    inside = sources.repository.inside
    return Path(os.path.normpath(inside / f"{place}.py")) if colon else None


def side_of(sources: Sources, tree: Path) -> Side:
    """The side of `ab` that measures this worktree."""
    folder = tree / sources.repository.inside
    if sources.is_ours:
        python = sources.python or Path(sys.executable)
        beside = [tree, *([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])]
        return Side(python=python, folder=folder, variables={"PYTHONPATH": os.pathsep.join(map(str, beside))})
    folders = [tree / each for each in sources.searched if (tree / each).is_dir()]
    return Side(
        python=sources.python,
        folder=folder,
        variables={SOURCES: os.pathsep.join(str(each.resolve()) for each in folders)},
    )


def why_unmeasurable(sources: Sources, tree: Path, case: Case, gpu: str | None) -> str | None:
    """Why the case cannot be measured from this worktree, in a sentence; None where it can."""
    side = side_of(sources, tree)
    assert side.folder is not None
    if not side.folder.is_dir():
        return f"it has no folder {sources.repository.inside}"
    try:
        with chdir(side.folder):
            catalogue.parse(case.model)
            if sources.is_ours:
                _refuse_other_entry(side, tree)
            with server_of(side, (), gpu, facts=False) as server:
                server.require([*questions_of([case]), *([] if sources.is_ours else [job.PLACES])])
                if sources.is_ours:
                    return None
                answer = ask_child(job.PLACES, job.encode(case), server, failing="it cannot be built")
    except UserError as error:
        return str(error).replace(f"{tree}/", "")
    return why_elsewhere(msgspec.json.decode(answer, type=dict[str, str]), tree, sources.repository.top)


def why_elsewhere(places: Mapping[str, str], tree: Path, top: Path) -> str | None:
    """Which module was imported from the checkout, or what is installed of it, and not from the worktree.

    places  of each top-level module its file or folder
    """
    for name, place in sorted(places.items()):
        path = Path(place).resolve()
        if path.is_relative_to(tree.resolve()) or name in OUR_PACKAGES:
            continue
        is_installed = bool(_INSTALLED & set(path.parts))
        if _provides(tree, name) if is_installed else path.is_relative_to(top):
            return (
                f"{name} is imported from {path} and not from the commit's files. Uninstall it there, or "
                "give an environment without it: --python other/bin/python"
            )
    return None


def _provides(tree: Path, name: str) -> bool:
    """Whether the worktree has a package or module of that name, in its top or one folder below."""
    folders = [tree, *(each for each in tree.iterdir() if each.is_dir() and not each.name.startswith("."))]
    return any(
        (folder / name / "__init__.py").is_file() or (folder / f"{name}.py").is_file() for folder in folders
    )


def _refuse_other_entry(side: Side, tree: Path) -> None:
    """UserError where the interpreter would start another convbench than the worktree's."""
    (found,) = _asked(side.python, _FOUND, side.variables)
    if not Path(found).resolve().is_relative_to(tree.resolve()):
        raise UserError(
            f"{side.python} starts the convbench of {Path(found).parents[1]} and not the commit's. "
            "Uninstall it there"
        )


def _asked(python: Path | None, program: str, variables: Mapping[str, str]) -> Sequence[str]:
    """The list of texts that a program of one line prints. UserError where it does not."""
    interpreter = python or Path(sys.executable)
    try:
        done = subprocess.run(
            [str(interpreter), "-P", "-c", program],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=list[str])
    except (OSError, subprocess.SubprocessError, IndexError, msgspec.DecodeError) as error:
        raise UserError(f"{interpreter} does not run here: {error}") from None
