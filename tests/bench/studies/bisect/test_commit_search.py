"""Searches through planted histories: what is found, what is kept, and what the repository has of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case, MeasurementProtocol
from bench.studies.bisect import bisect_state, commit_trials, revisions, source_trees
from bench.studies.bisect.bisect_state import TESTS, BisectState, Wanted
from bench.studies.bisect.commit_search import run_folders, run_search
from bench.studies.bisect.commit_trials import Search, commits_left
from bench.studies.bisect.source_trees import Sources
from models.errors import UserError
from tests.planted.planted_history import History, line
from tests.planted.planted_trials import SLOWER, PlantedTrials


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> PlantedTrials:
    return PlantedTrials(monkeypatch)


def search(history: History, good: str, bad: str, **wishes: bool | str) -> Search:
    repository = revisions.find(history.folder, history.folder)
    ends = [revisions.commit_of(repository, history.hashes[name]) for name in (good, bad)]
    wanted = Wanted(
        good=ends[0], bad=ends[1], case=Case(model="net.py:build"), protocol=MeasurementProtocol()
    )
    return Search(wanted=structs.replace(wanted, **wishes), sources=Sources(repository=repository))


def answers(state: BisectState) -> dict[str, str]:
    return {each.commit.subject: each.answer for each in state.tested}


def suspects(state: BisectState) -> list[str]:
    return [each.subject for each in state.suspects]


def step_at(number: int, commits: int, size: float = SLOWER) -> list[float | None]:
    return [0.0 if each < number else size for each in range(commits)]


@pytest.mark.parametrize("first", [1, 2, 5, 11])
def test_the_planted_commit_is_found_and_confirmed(tmp_path: Path, trials: PlantedTrials, first: int) -> None:
    history = line(tmp_path / "repository", step_at(first, 12))
    before = history.state()
    state = run_search(search(history, "c0", "c11"), tmp_path / "out", resume=False)
    assert (state.ended, suspects(state)) == ("found", [f"c{first}"])
    assert state.parent is not None
    assert state.parent.subject == f"c{first - 1}"
    assert len(state.tested) <= 4
    assert all(
        answer == ("bad" if int(name[1:]) >= first else "good") for name, answer in answers(state).items()
    )
    assert state.is_confirmed
    assert state.confirmed is not None
    assert state.confirmed.change is not None
    assert trials.met[-1] == ("0.0", str(SLOWER))
    assert state.confirmed.change.low is not None
    assert state.confirmed.change.high is not None
    assert state.confirmed.change.low < 1.05 < state.confirmed.change.high
    assert state.spent <= 0.04
    assert history.state() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "bisect.json", TESTS]


def test_what_got_faster_is_found_where_that_is_asked_for(tmp_path: Path, trials: PlantedTrials) -> None:
    history = line(tmp_path / "repository", step_at(3, 6, -SLOWER))
    state = run_search(search(history, "c0", "c5", faster=True), tmp_path / "out", resume=False)
    assert (state.ended, suspects(state), state.is_confirmed) == ("found", ["c3"], True)
    state = run_search(search(history, "c0", "c5"), tmp_path / "other", resume=False)
    assert (state.ended, state.tested) == ("no step", ())


def test_broken_commits_are_skipped_with_their_reason(tmp_path: Path, trials: PlantedTrials) -> None:
    """Next to the answer they cannot be told apart from it; elsewhere they do no harm."""
    speeds = step_at(9, 12)
    speeds[5] = speeds[6] = None  # the middle
    history = line(tmp_path / "repository", speeds)
    state = run_search(search(history, "c0", "c11"), tmp_path / "out", resume=False)
    assert (state.ended, suspects(state)) == ("found", ["c9"])
    assert {each.reason for each in state.tested if each.answer == "skip"} == {"ImportError: no layers"}
    assert not any(each.error or each.folder for each in state.tested if each.answer == "skip")
    speeds[7:9] = [None, None]
    history = line(tmp_path / "again", speeds)
    state = run_search(search(history, "c0", "c11"), tmp_path / "out2", resume=False)
    assert (state.ended, suspects(state)) == ("suspects", ["c9", "c8", "c7", "c6", "c5"])
    assert state.confirmed is None


def test_a_reason_is_a_line_without_control_characters(
    tmp_path: Path, trials: PlantedTrials, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = line(tmp_path / "repository", [0.0, SLOWER])
    monkeypatch.setattr(
        source_trees, "why_unmeasurable", lambda *given: f"ValueError: \x1b[31mred\n{'long' * 200}"
    )
    reason = commit_trials.why_unmeasurable(search(history, "c0", "c1"), history.folder)
    assert reason is not None
    assert reason.startswith("ValueError: [31mred longlong")
    assert len(reason) == 300


def test_a_commit_that_lies_between_is_skipped_and_not_guessed(tmp_path: Path, trials: PlantedTrials) -> None:
    history = line(tmp_path / "repository", [0.0, SLOWER / 2, SLOWER])
    state = run_search(search(history, "c0", "c2"), tmp_path / "out", resume=False)
    assert (state.ended, suspects(state)) == ("suspects", ["c2", "c1"])
    (tested,) = state.tested
    assert tested.reason == "neither more nor less than half of the step after 128 pairs"
    assert tested.error > 0


@pytest.mark.parametrize(
    ("speed", "ended"), [(0.0, "no step"), (0.012, "no step"), (0.2, None), (SLOWER, "found")]
)
def test_ends_that_do_not_differ_are_no_search(
    tmp_path: Path, trials: PlantedTrials, speed: float, ended: str | None
) -> None:
    """Equal, within the margin, or broken in between."""
    history = line(tmp_path / "repository", [0.0, speed])
    state = run_search(search(history, "c0", "c1"), tmp_path / "out", resume=False)
    assert state.ended == (ended or "found")
    assert len(trials.met) == 1  # two ends that follow each other are their own answer


@pytest.mark.parametrize(("end", "name"), [(0, "GOOD"), (2, "BAD")])
def test_an_end_that_cannot_be_measured_is_a_sentence(
    tmp_path: Path, trials: PlantedTrials, end: int, name: str
) -> None:
    speeds: list[float | None] = [0.0, 0.0, SLOWER]
    speeds[end] = None
    history = line(tmp_path / "repository", speeds)
    before = history.state()
    for _ in range(2):  # nothing was measured, so the folder can be used again
        with pytest.raises(UserError, match=rf"{name}, \w+, cannot be measured: ImportError: no layers"):
            run_search(search(history, "c0", "c2"), tmp_path / "out", resume=False)
    assert history.state() == before


def forked(folder: Path) -> History:
    """c0 - c1 - c2 - c3 - merged - c4, and a branch b1 - b2 from c1 that is merged; b2 is slow."""
    history = line(folder, [0.0, 0.0])
    for name, onto in (("c2", "c1"), ("c3", "c2")):
        history.commit(name, {name: ""}, onto=onto)
    history.commit("b1", {"b1": ""}, onto="c1")
    history.commit("b2", {"speed": str(SLOWER)}, onto="b1")
    history.merge("merged", "c3", "b2")
    history.commit("c4", {"c4": ""}, onto="merged")
    history.git("checkout", "--quiet", "-B", "main")
    return history


@pytest.mark.parametrize(("first_parent", "found", "parent"), [(False, "b2", "b1"), (True, "merged", "c3")])
def test_merges_are_followed_or_taken_as_one(
    tmp_path: Path, trials: PlantedTrials, first_parent: bool, found: str, parent: str
) -> None:
    history = forked(tmp_path / "repository")
    asked = search(history, "c0", "c4", first_parent=first_parent)
    state = run_search(asked, tmp_path / "out", resume=False)
    assert (state.ended, suspects(state), state.is_confirmed) == ("found", [found], True)
    assert state.parent is not None
    assert state.parent.subject == parent


def test_a_first_commit_without_a_parent_is_named(tmp_path: Path, trials: PlantedTrials) -> None:
    """As two histories that were united have it."""
    history = line(tmp_path / "repository", [0.0])
    history.git("checkout", "--quiet", "--orphan", "other")
    history.commit("root", {"net.py": "def build(): ...\n", "speed": str(SLOWER)})
    history.git("merge", "--quiet", "--allow-unrelated-histories", "-X", "ours", "-m", "united", "main")
    history.hashes["united"] = history.git("rev-parse", "HEAD").strip()
    state = run_search(search(history, "c0", "united"), tmp_path / "out", resume=False)
    assert (state.ended, suspects(state)) == ("found", ["root"])
    assert (state.parent, state.confirmed) == (None, None)


def test_a_search_goes_on_after_ctrl_c(tmp_path: Path, trials: PlantedTrials) -> None:
    """No test that ended is made again; what was under way is, in a folder of its own."""
    history = line(tmp_path / "repository", step_at(7, 12))
    asked, before = search(history, "c0", "c11"), history.state()
    trials.stops_at = 3
    with pytest.raises(KeyboardInterrupt):
        run_search(asked, tmp_path / "out", resume=False)
    assert history.state() == before
    kept = bisect_state.read(tmp_path / "out")
    assert kept is not None
    assert (kept.ended, len(kept.tested)) == (None, 1)
    assert commits_left(asked, kept.known) < commits_left(asked)
    with pytest.raises(UserError, match="Add --resume to continue it"):
        run_search(asked, tmp_path / "out", resume=False)
    state = run_search(asked, tmp_path / "out", resume=True)
    assert (state.ended, suspects(state)) == ("found", ["c7"])
    assert state.tested[0] == kept.tested[0]
    assert len(trials.met) == 2 + len(state.tested) + 1
    tests = len(trials.met)
    assert len(list(run_folders(tmp_path / "out"))) == 2 * tests
    again = run_search(asked, tmp_path / "out", resume=True)
    assert again == state
    assert len(trials.met) == tests


def test_another_search_is_not_taken_for_this_one(tmp_path: Path, trials: PlantedTrials) -> None:
    history = line(tmp_path / "repository", step_at(2, 4))
    run_search(search(history, "c0", "c3"), tmp_path / "out", resume=False)
    with pytest.raises(UserError, match="holds another search, from"):
        run_search(search(history, "c1", "c3"), tmp_path / "out", resume=True)


def test_a_search_is_continued_in_its_environment(tmp_path: Path, trials: PlantedTrials) -> None:
    """The step is that of one torch; of a search that has ended nothing more is measured."""
    history = line(tmp_path / "repository", step_at(2, 4))
    here, elsewhere = (search(history, "c0", "c3", environment=name) for name in ("/venv", "/other"))
    trials.stops_at = 2
    with pytest.raises(KeyboardInterrupt):
        run_search(here, tmp_path / "out", resume=False)
    with pytest.raises(UserError, match="holds a search in another environment, /venv: continue it there"):
        run_search(elsewhere, tmp_path / "out", resume=True)
    state = run_search(here, tmp_path / "out", resume=True)
    assert run_search(elsewhere, tmp_path / "out", resume=True) == state


def test_a_spent_budget_leaves_what_is_known(tmp_path: Path, trials: PlantedTrials) -> None:
    history = line(tmp_path / "repository", step_at(2, 4))
    asked = search(history, "c0", "c3")
    state = run_search(structs.replace(asked, budget_seconds=0.1), tmp_path / "out", resume=False)
    assert (state.ended, state.step) == (None, None)
    state = run_search(asked, tmp_path / "out", resume=True)
    assert (state.ended, suspects(state)) == ("found", ["c2"])


def test_the_log_of_a_search_is_told(tmp_path: Path, trials: PlantedTrials) -> None:
    history = line(tmp_path / "repository", step_at(2, 3))
    told: list[tuple[str, str | None]] = []
    run_search(
        search(history, "c0", "c2"),
        tmp_path / "out",
        resume=False,
        told=lambda state, commit, tested: told.append(
            (commit.subject, None if tested is None else tested.answer)
        ),
    )
    assert told == [("c2", None), ("c2", "bad"), ("c1", None), ("c1", "good"), ("c2", None)]
