"""From which files a network is built: those of the commit, and never those that are installed beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.schema.case import Case
from bench.studies.bisect import source_trees
from bench.studies.bisect.revisions import Commit, Repository
from bench.studies.bisect.source_trees import (
    Sources,
    case_in_trees,
    name_in_tree,
    side_of,
    sources_of,
    why_elsewhere,
    why_unmeasurable,
)
from models.errors import UserError
from models.user_imports import SOURCES
from tests.planted.planted_history import History

NET = "from torch import nn\nfrom net_layers import WIDTH\n\ndef build(): return nn.Conv2d(3, WIDTH, 3)\n"


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A package below `src`, a network in a folder of its own, and a commit that breaks the package."""
    made = History(tmp_path / "repository")
    made.commit("wide", {"nets/net.py": NET, "src/net_layers/__init__.py": "WIDTH = 8\n"})
    made.commit("broken", {"src/net_layers/__init__.py": "raise ImportError('gone')\n"})
    return made


def end(history: History, subject: str) -> Commit:
    return Commit(hash=history.hashes[subject], short=subject, subject="", author="", date="")


def test_a_file_is_called_as_from_where_the_user_stands(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = Sources(repository=Repository(history.folder.resolve(), Path("nets")))
    monkeypatch.chdir(history.folder)
    named = "nets/net.py:build(width='a.py:build')"
    assert name_in_tree(sources, f"{history.folder}/{named}") == named.removeprefix("nets/")
    assert name_in_tree(sources, named) == named.removeprefix("nets/")
    whole = Sources(repository=Repository(history.folder.resolve()))
    assert name_in_tree(whole, "nets/net.py:build") == "nets/net.py:build"


def test_a_network_that_no_commit_changes_is_refused(history: History, tmp_path: Path) -> None:
    sources = Sources(repository=Repository(history.folder.resolve()))
    with pytest.raises(UserError, match=r"vgg16 is no network of .*its commits cannot change it"):
        name_in_tree(sources, "vgg16")
    (tmp_path / "net.py").write_text(NET)
    with pytest.raises(UserError, match=r"net.py is not in .*, whose commits are compared"):
        name_in_tree(sources, f"{tmp_path}/net.py:build")


def test_a_file_that_one_end_lacks_is_refused(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.commit("new", {"later.py": NET})
    monkeypatch.chdir(history.folder)
    sources = Sources(repository=Repository(history.folder.resolve()))
    case, ends = Case(model="later.py:build"), [end(history, "broken"), end(history, "new")]
    with pytest.raises(UserError, match=r"GOOD, broken, has no file later.py"):
        case_in_trees(sources, case, ends)
    assert case_in_trees(sources, Case(model="nets/net.py:build"), ends).model == "nets/net.py:build"


def test_packages_are_looked_for_where_this_python_finds_those_of_the_repository(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editable install of `python/`, beside `src` and the top; an environment inside is no part of it."""
    history.commit("elsewhere", {"python/pack/__init__.py": ""})
    installed = f"{history.folder}/.venv/lib/site-packages"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([f"{history.folder}/python", installed]))
    sources = sources_of(Repository(history.folder.resolve()), history.hashes["wide"], None)
    assert sources.searched == ("python", "src", ".")
    assert not sources.is_ours
    side = side_of(sources, history.folder)
    folders = [f"{history.folder}/python", f"{history.folder}/src", f"{history.folder}"]
    assert side.variables == {SOURCES: os.pathsep.join(folders)}
    assert (side.folder, side.python) == (history.folder, None)


def test_convbench_itself_is_started_from_its_worktree(tmp_path: Path) -> None:
    """Each commit then measures with its own harness; another one that is started instead is told."""
    files = ("bench/__init__.py", "bench/entry.py", "models/catalogue.py", "convbench.py")
    history = History(tmp_path / "convbench")
    history.commit("ours", dict.fromkeys(files, ""))
    history.commit("moved", {})
    (history.folder / "bench" / "entry.py").unlink()
    sources = sources_of(Repository(history.folder.resolve()), history.hashes["ours"], None)
    assert sources.is_ours
    side = side_of(sources, history.folder)
    assert side.python == Path(sys.executable)
    assert side.variables["PYTHONPATH"].split(os.pathsep)[0] == str(history.folder)
    assert name_in_tree(sources, "vgg16") == "vgg16"
    assert why_unmeasurable(sources, history.folder, Case(model="vgg16"), None) is not None


def test_what_is_imported_from_elsewhere_is_told(tmp_path: Path) -> None:
    top, tree = tmp_path / "repository", tmp_path / "repository" / "runs" / "tree"
    for package in (tree / "src" / "pack", tree / "numbers2"):
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    well = {"pack": f"{tree}/src/pack", "torch": "/venv/site-packages/torch", "models": f"{top}/models"}
    assert why_elsewhere(well, tree, top) is None
    for place in (f"{top}/src/pack", "/venv/lib/site-packages/pack"):
        told = why_elsewhere({**well, "pack": place}, tree, top)
        assert told is not None
        assert told.startswith(f"pack is imported from {place} and not from the commit's files")
    beside = f"{top}/.venv/lib/site-packages/torch"
    assert why_elsewhere({**well, "torch": beside}, tree, top) is None


@pytest.mark.slow
def test_a_network_is_built_from_its_worktree_or_the_reason_is_told(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkout is broken, and on this Python's path as an editable install has it: neither matters."""
    tree = tmp_path / "tree"
    history.git("worktree", "add", "--quiet", "--detach", str(tree), history.hashes["wide"])
    monkeypatch.setenv("PYTHONPATH", f"{history.folder}/src")
    sources = sources_of(Repository(history.folder.resolve()), history.hashes["wide"], None)
    case = Case(model="nets/net.py:build", device="cpu", image=8)
    assert why_unmeasurable(sources, tree, case, None) is None
    reason = why_unmeasurable(sources, history.folder, case, None)
    assert reason is not None
    assert "gone" in reason
    unseen = Sources(repository=sources.repository)  # which looks nowhere
    reason = why_unmeasurable(unseen, tree, case, None)
    assert reason is not None
    (tree / "nets" / "net.py").unlink()
    reason = why_unmeasurable(sources, tree, case, None)
    assert reason is not None
    assert "cannot read nets/net.py" in reason


def test_a_folder_that_a_commit_lacks_is_told(history: History) -> None:
    sources = Sources(repository=Repository(history.folder.resolve(), Path("later")))
    assert (
        why_unmeasurable(sources, history.folder, Case(model="net.py:build"), None)
        == "it has no folder later"
    )


def test_an_interpreter_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not run here"):
        source_trees.sources_of(Repository(tmp_path), "HEAD", tmp_path / "python")
