"""`convbench bisect` as a user meets it: what it says, what it leaves, and how it ends."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from bench.stats import half_step, verdicts
from bench.studies.bisect import bisect_state
from tests.planted.commands import Command, is_one_sentence
from tests.planted.planted_history import History, line
from tests.planted.planted_trials import SLOWER, PlantedTrials

AXES = ("--model", "net.py:build", "--device", "cpu")


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """Twelve commits of which c7 is the first slow one; the user stands in the folder."""
    made = line(tmp_path / "repository", [0.0 if number < 7 else SLOWER for number in range(12)])
    made.git("tag", "v1.0", made.hashes["c0"])
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> PlantedTrials:
    return PlantedTrials(monkeypatch)


def test_the_answer_names_the_commit_and_its_size(
    command_line: Command, history: History, trials: PlantedTrials, tmp_path: Path
) -> None:
    (history.folder / "speed").write_text("changed")
    before, out = history.state(), tmp_path / "out"
    answer = command_line("bisect", "v1.0", "HEAD", *AXES, "--out", out)
    assert answer.code == 0
    short = history.git("rev-parse", "--short", history.hashes["c7"]).strip()
    assert f"{short} 'c7' by Ada, 2026-03-01, made net.py:build inference, batch 1 slower" in answer.out
    assert f"Next: git show {short}" in answer.out
    said = answer.err.splitlines()
    assert said[0].startswith(
        "convbench: 11 commits may be it: 6 tests at most if none is skipped, of 8 to 128"
    )
    assert said[1] == "convbench: uncommitted changes are not measured: each commit is taken as it is"
    assert sum("is good" in each for each in said) + sum("is bad" in each for each in said) >= 4
    assert history.state() == before
    assert (out / "report.md").read_text().startswith(f"# {short} made net.py:build")
    rows = command_line("bisect", "v1.0", "HEAD", *AXES, "--out", out, "--resume", "--json").rows()
    assert [(row["subject"], row["answer"]) for row in rows if row["is_suspect"]] == [("c7", "bad")]
    assert rows[0]["subject"] == "c11"


def test_nothing_to_find_is_exit_code_1(
    command_line: Command, history: History, trials: PlantedTrials, tmp_path: Path
) -> None:
    answer = command_line("bisect", "v1.0", history.hashes["c6"], *AXES, "--out", tmp_path / "out")
    assert answer.code == 1
    told = " ".join(answer.out.split())
    assert "GOOD and BAD do not differ: nothing to find. net.py:build inference, batch 1 changed by" in told
    assert "That is within 2%, which --margin sets." in told
    answer = command_line("bisect", "v1.0", "HEAD", *AXES, "--faster", "--out", tmp_path / "other")
    assert answer.code == 1
    assert answer.out.startswith("Nothing made net.py:build inference, batch 1 faster")
    assert "so nothing made it faster" in " ".join(answer.out.split())


def test_ctrl_c_says_what_is_known_and_how_to_go_on(
    command_line: Command, history: History, trials: PlantedTrials
) -> None:
    trials.stops_at = 3
    answer = command_line("bisect", "v1.0", "HEAD", *AXES)
    assert answer.code == 130
    known, last = answer.err.splitlines()[-2:]
    begun = bisect_state.read(Path("runs/1"))
    assert begun is not None
    (good,) = begun.tested
    left = 11 - int(good.commit.subject[1:])
    ends = f"after {good.commit.short} (good) and up to {begun.wanted.bad.short} (bad)"
    assert known == f"convbench: so far: {left} commits may be it, {ends}"
    assert last.startswith("convbench: interrupted; 2 of 6 tests are saved in runs/1. Continue with: ")
    words = shlex.split(last.partition("Continue with: ")[2])
    assert words == ["convbench", "bisect", "v1.0", "HEAD", *AXES, "--resume", "--out", "runs/1"]
    assert command_line(*words[1:]).code == 0
    kept = bisect_state.read(Path("runs/1"))
    assert kept is not None
    assert kept.is_confirmed


def test_a_spent_budget_is_exit_code_3(
    command_line: Command, history: History, trials: PlantedTrials
) -> None:
    answer = command_line("bisect", "v1.0", "HEAD", *AXES, "--budget", "0.1")
    assert answer.code == 3
    assert "has not ended. 11 commits may still be it." in " ".join(answer.out.split())
    assert "the budget is used up. Continue with: convbench bisect v1.0 HEAD" in answer.err


def test_a_dry_run_only_says_what_it_costs(command_line: Command, history: History) -> None:
    answer = command_line("bisect", "v1.0", "HEAD", *AXES, "--dry-run", "--format", "json")
    (row,) = answer.rows()
    assert (row["commits"], row["tests"]) == (11, 6)
    assert row["least_seconds"] == pytest.approx(6 * 8 * row["pair_seconds"])
    assert row["most_seconds"] == pytest.approx(6 * 128 * row["pair_seconds"])
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("v1.0",), "bisect needs two commits: convbench bisect GOOD BAD"),
        (("v1.0", "HEAD"), "give --model FILE.py:FUNCTION"),
        (("v1.0", "HEAD", *AXES, "--batch", "1,2"), "this plan has 2: give each axis one value"),
        (("v1.0", "HEAD", "--model", "vgg16"), "vgg16 is no network of"),
        (("v1.0", "HAED", *AXES), "unknown revision 'HAED'"),
        (("HEAD", "v1.0", *AXES), "BAD is the older one"),
        (("HEAD", "HEAD", *AXES), "GOOD and BAD are one commit"),
        (("v1.0", "HEAD", "--repo", "none", *AXES), "--repo none is not a folder"),
        (("v1.0", "HEAD", "--repo", "/", *AXES), "/ is in no git repository"),
        (("v1.0", "HEAD", "--python", "none", *AXES), "none is not a Python interpreter"),
        (("v1.0", "HEAD", *AXES, "--margin", "3"), "--margin must be a number above 0"),
        (("v1.0", "HEAD", *AXES, "--resume"), "--resume needs --out FOLDER"),
        (("v1.0", "HEAD", *AXES, "--format", "bencher"), "--format bencher holds times of steps"),
    ],
)
def test_bad_input_is_a_sentence_and_2(
    command_line: Command, history: History, words: tuple[str, ...], problem: str
) -> None:
    answer = command_line("bisect", *words)
    assert (answer.code, answer.out) == (2, "")
    assert problem in answer.err
    assert is_one_sentence(answer.err)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("speed", "code", "said"),
    [
        ("0.0", 0, "is good: "),
        (str(SLOWER), 1, "is bad: +"),
        ("broken", 125, "is skip: ImportError: no layers"),
        ("0.0198", 125, "is skip: neither more nor less than the threshold after 128 pairs"),
    ],
)
def test_git_bisect_run_gets_its_codes(
    command_line: Command, history: History, trials: PlantedTrials, speed: str, code: int, said: str
) -> None:
    """Of the files that are checked out, with what is not committed."""
    (history.folder / "speed").write_text(speed)
    answer = command_line("bisect", "--against", "v1.0", "--threshold", "2%", *AXES)
    assert (answer.code, answer.out.count("\n")) == (code, 1)
    assert said in answer.out


@pytest.mark.parametrize(
    "words", [("--against", "v1.1", "--threshold", "2%"), ("--against", "v1.0"), ("--threshold", "2%")]
)
def test_git_bisect_run_stops_at_bad_input(
    command_line: Command, history: History, words: tuple[str, ...]
) -> None:
    """It would take 2 for a bad commit."""
    answer = command_line("bisect", *words, *AXES)
    assert answer.code == 128
    assert is_one_sentence(answer.err)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "runs"), "cannot use runs: No space left on device"),
        (BrokenPipeError(32, "Broken pipe"), ""),
        (RuntimeError("a fault of ours"), "RuntimeError: a fault of ours"),
    ],
)
def test_git_bisect_run_stops_at_a_fault_that_is_not_the_commit_s(
    command_line: Command,
    history: History,
    trials: PlantedTrials,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    said: str,
) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("bench.studies.bisect.checkout_trial.judge", fails)
    monkeypatch.setattr("bench.cli.forget", lambda stream: None)
    answer = command_line("bisect", "--against", "v1.0", "--threshold", "2%", *AXES)
    assert answer.code == 128
    assert said in answer.err


@pytest.mark.parametrize("option", ["--dry-run", "--resume", "--json"])
def test_git_bisect_run_has_no_use_for_some_options(
    command_line: Command, history: History, option: str
) -> None:
    answer = command_line("bisect", "--against", "v1.0", "--threshold", "2%", *AXES, option)
    assert (answer.code, answer.out) == (128, "")
    assert "one line for git" in answer.err
    assert is_one_sentence(answer.err)


@pytest.mark.parametrize("text", ["def build(:\n", "def other(): ...\n"])
def test_git_bisect_run_stops_at_a_file_that_cannot_be_read(
    command_line: Command, history: History, text: str
) -> None:
    """So it does at a wrong option: both are seen before the command begins."""
    (history.folder / "net.py").write_text(text)
    words = ("bisect", "--against", "v1.0", "--threshold", "2%", *AXES)
    assert command_line(*words).code == 128
    assert command_line(*words, "--no-such-option").code == 128
    assert command_line("bisect", "v1.0", "HEAD", *AXES).code == 2


NET = """
import time
from torch import nn

class Slow(nn.Module):
    def forward(self, x):
        time.sleep({seconds})
        return x

def build():
    return nn.Sequential(nn.Conv2d(1, 2, 3), Slow(), nn.Flatten(), nn.LazyLinear(10))
"""
SUITE = """
name = "tiny"
replicates = 1

[[cases]]
model = "net.py:build"
device = "cpu"
image = 8
channels = 1
classes = 10
threads = 1

[protocol]
warmup_steps = 1
warmup_seconds = 0.01
warmup_limit_seconds = 0.05
min_samples = 3
fewest_samples = 3
sampling_seconds = 0.05
energy_seconds = 0
"""


@pytest.mark.slow
def test_a_search_with_processes_finds_a_sleep(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """c2 sleeps ten times as long as c0, which four pairs show; c1 does not import."""
    monkeypatch.setattr(verdicts, "INTERIM_PAIRS", (4,))
    monkeypatch.setattr(half_step, "INTERIM_PAIRS", (4,))
    monkeypatch.setattr(half_step, "LOOKS", (4,))
    history = History(tmp_path / "repository")
    for number, seconds in enumerate((0.002, 0.002, 0.02)):
        broken = "import no_such_module\n" if number == 1 else ""
        history.commit(f"c{number}", {"net.py": broken + NET.format(seconds=seconds), "suite.toml": SUITE})
    before = history.state()
    monkeypatch.chdir(history.folder)
    answer = command_line("bisect", "HEAD~2", "HEAD", "--suite", "suite.toml", "--out", "../out")
    assert answer.code == 1, answer.err
    assert answer.out.startswith("One of 2 commits made net.py:build inference, batch 1 slower")
    assert "no_such_module" in answer.err
    assert history.state() == before
    kept = bisect_state.read(tmp_path / "out")
    assert kept is not None
    assert kept.step is not None
    assert kept.step.change is not None
    assert kept.step.change.ratio is not None
    assert 5 < kept.step.change.ratio < 11
