"""What git says of a repository, and the sentences for what cannot be searched."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.studies.bisect import revisions
from bench.studies.bisect.narrowing import Known
from bench.studies.bisect.revisions import commit_of, find, ranked, refuse_unrelated
from models.errors import UserError
from tests.planted.planted_history import History, line


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A line of four, and a branch of one beside its end."""
    made = line(tmp_path / "it's ours", [0.0] * 4)
    made.git("tag", "v1.0", made.hashes["c0"])
    made.commit("aside", {"other": ""}, onto="c2")
    made.git("checkout", "--quiet", "main")
    return made


def test_a_repository_is_found_from_a_folder_inside(history: History) -> None:
    inside = history.folder / "nets" / "small"
    inside.mkdir(parents=True)
    assert find(inside, inside) == revisions.Repository(history.folder.resolve(), Path("nets/small"))
    assert find(history.folder, Path("/")).inside == Path()


def test_where_there_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is in no git repository"):
        find(tmp_path, tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        find(tmp_path / "none", tmp_path)


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="bisect needs git, which is not on the PATH"):
        find(tmp_path, tmp_path)


def test_a_hook_s_variables_name_another_repository(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = line(tmp_path / "other", [0.0])
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    assert find(history.folder, history.folder).top == history.folder.resolve()


def test_a_commit_is_told_in_words(history: History) -> None:
    repository = find(history.folder, history.folder)
    found = commit_of(repository, "v1.0")
    assert found.hash == history.hashes["c0"]
    assert found.hash.startswith(found.short)
    assert (found.subject, found.author, found.date) == ("c0", "Ada", "2026-03-01")
    history.commit("two\x1b[31m words", {"x": ""})
    assert commit_of(repository, "HEAD").subject == "two [31m words"
    for end_of_line in "\x0b\x0c\x1c\x85\u2028":  # as Python's splitlines has it, and git has not
        history.commit(f"two{end_of_line}words", {"x": end_of_line})
        assert commit_of(repository, "HEAD").subject == "two words"


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ("v1.1", "main", "unknown revision 'v1.1' in .*Did you mean 'v1.0'"),
        ("v1.0", "--all", "unknown revision '--all'"),
        ("main", "HEAD", "GOOD and BAD are one commit"),
        ("main", "v1.0", "BAD is the older one"),
        ("aside", "main", "They have .* 'c2' in common"),
        ("alone", "main", "They share no history"),
    ],
)
def test_ends_that_are_none(history: History, good: str, bad: str, problem: str) -> None:
    history.git("branch", "aside", history.hashes["aside"])
    history.git("checkout", "--quiet", "--orphan", "alone")
    history.commit("alone", {})
    history.git("checkout", "--quiet", "main")
    repository = find(history.folder, history.folder)
    with pytest.raises(UserError, match=problem):
        refuse_unrelated(repository, commit_of(repository, good), commit_of(repository, bad))


def test_a_shallow_clone_says_so(history: History, tmp_path: Path) -> None:
    url = f"file://{history.folder}"
    history.git("clone", "--quiet", "--depth", "2", url, str(tmp_path / "shallow"))
    repository = find(tmp_path / "shallow", tmp_path)
    with pytest.raises(UserError, match=r"This clone is shallow: .*git fetch --unshallow"):
        commit_of(repository, history.hashes["c0"])


def test_what_is_left_follows_git(history: History) -> None:
    """Of a merge the commits that it brings in are left too, unless first parents alone are followed."""
    history.merge("merged", "c3", "aside")
    repository = find(history.folder, history.folder)
    known = Known(history.hashes["merged"], (history.hashes["c1"],))
    left = [history.subject(each) for each in ranked(repository, known, first_parent=False)]
    assert sorted(left) == ["aside", "c2", "c3", "merged"]
    assert left[-1] == "merged"
    followed = [history.subject(each) for each in ranked(repository, known, first_parent=True)]
    assert sorted(followed) == ["c2", "c3", "merged"]
    known = known.with_answer(history.hashes["c2"], "good")
    left = [history.subject(each) for each in ranked(repository, known, first_parent=False)]
    assert sorted(left) == ["aside", "c3", "merged"]


def test_files_of_commits_submodules_and_changes(history: History) -> None:
    repository = find(history.folder, history.folder)
    history.commit(
        "with a submodule",
        {".gitmodules": '[submodule "a"]\n\tpath = lib/a b\n\turl = ../a\n', "nets/net.py": ""},
    )
    head = history.hashes["with a submodule"]
    assert revisions.has_file(repository, head, Path("nets/net.py"))
    assert not revisions.has_file(repository, history.hashes["c0"], Path("nets/net.py"))
    assert revisions.submodules(repository, head) == ("lib/a b",)
    assert revisions.submodules(repository, history.hashes["c0"]) == ()
    assert not revisions.is_changed(repository)
    (history.folder / "untracked").touch()
    assert not revisions.is_changed(repository)
    (history.folder / "net.py").write_text("changed")
    assert revisions.is_changed(repository)
