"""`convbench trend`, its gate, and answers to what it tells."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.planted import archived_nights
from tests.planted.commands import Command, is_one_sentence
from tests.planted.planted_nights import PlantedNights

STEP, FASTER = 24, 14
NIGHTS = PlantedNights(
    nights=40,
    cases=3,
    processes=2,
    samples=3,
    over_nights=0.004,
    over_processes=0.002,
    steps={(1, STEP): 0.10, (2, FASTER): -0.10},
)
SLOWER = "alexnet/inference/cuda/fp32/eager/nchw/b8/t1"
DATE = "2021-01-25"
"""Of night 24."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second case gets slower in night 24, the third faster in night 14."""
    made = tmp_path_factory.mktemp("nights")
    return archived_nights.archive(NIGHTS, made)


@pytest.fixture
def archive(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy in the current folder, where commands look for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVBENCH_ARCHIVE", raising=False)
    return shutil.copytree(planted, tmp_path / "convbench-archive")


def gate(command_line: Command, *words: object) -> tuple[int, list[str]]:
    """The exit code of `--fail-on new-step`, and its reasons."""
    answer = command_line("trend", "--fail-on", "new-step", *words)
    return answer.code, [line for line in answer.err.splitlines() if line.startswith("convbench: gate: ")]


def name_in(reason: str) -> str:
    return reason.rpartition("(")[2].removesuffix(")")


def test_a_case_that_got_slower_fails_the_gate_until_somebody_answers(
    archive: Path, command_line: Command
) -> None:
    code, (reason,) = gate(command_line)
    assert code == 1
    assert f"{SLOWER} on " in reason
    assert "% slower (" in reason
    assert f"since {DATE} (alexnet-" in reason
    name = name_in(reason)
    done = command_line("trend", "ack", name, "--why", "driver 575,\n accepted")
    assert done.code == 0
    assert f"{name} (step of {SLOWER}, {DATE}) is acknowledged by " in " ".join(done.out.split())
    assert "driver 575, accepted." in done.out
    assert gate(command_line) == (0, [])
    assert command_line("trend", "unack", name).code == 0
    assert gate(command_line) == (1, [reason])


def test_the_gate_says_how_a_change_is_accepted(archive: Path, command_line: Command) -> None:
    said = "convbench: to accept a change: convbench trend ack NAME --why REASON; the name is in brackets\n"
    assert command_line("trend", "--fail-on", "new-step").err.endswith(said)
    assert said not in command_line("trend", "--fail-on", "new-step", "--quiet").err
    assert said not in command_line("trend").err


def test_an_answer_holds_for_every_choice_of_runs_and_cases(archive: Path, command_line: Command) -> None:
    for words in ((), ("--label", "nightly"), (SLOWER,), ("alex*",), ("alexnet", "--since", "2021-01-01")):
        code, (reason,) = gate(command_line, *words)
        assert code == 1
    assert command_line("trend", "ack", name_in(reason), "--why", "known").code == 0
    assert gate(command_line, "--label", "nightly") == (0, [])


def test_an_answer_holds_when_the_first_run_after_the_step_is_pruned(
    archive: Path, command_line: Command
) -> None:
    (row,) = command_line("trend", "ack", name_in(gate(command_line)[1][0]), "--why", "x", "--json").rows()
    assert row["run_at"].startswith(DATE)
    shutil.rmtree(archive / "entries" / row["run"])
    assert gate(command_line) == (0, [])
    assert command_line("trend", "unack", row["name"]).code == 0
    code, (reason,) = gate(command_line)
    assert code == 1
    assert name_in(reason) != row["name"]


def test_all_that_is_told_is_acknowledged_at_once(archive: Path, command_line: Command) -> None:
    rows = command_line("trend", "ack", "--all", "--why", "before CI", "--json").rows()
    assert sorted(row["case"].partition("/")[0] for row in rows) == ["alexnet", "vgg11"]
    assert {row["why"] for row in rows} == {"before CI"}
    assert gate(command_line) == (0, [])
    again = command_line("trend", "ack", "--all", "--why", "before CI")
    assert (again.code, is_one_sentence(again.err)) == (2, True)
    assert "every change in convbench-archive is acknowledged already" in again.err


def test_changes_of_one_line_are_acknowledged_by_one_name(tmp_path: Path, command_line: Command) -> None:
    steps = {(0, STEP): 0.1, (1, STEP): 0.1, (2, STEP): 0.1, (1, 34): 0.08}
    archive = archived_nights.archive(replace(NIGHTS, steps=steps), tmp_path)
    code, reasons = gate(command_line, "--archive", archive)
    assert (code, len(reasons)) == (1, 4)
    said = command_line("trend", "--fail-on", "new-step", "--archive", archive).err
    assert "--same-run accepts all of one line of the report" in said
    last = name_in(reasons[-1])
    told = " ".join(command_line("trend", "--archive", archive).out.split())
    assert told.count("3 cases got ") == 1
    one = next(name_in(reason) for reason in reasons if name_in(reason) != last)
    done = command_line("trend", "ack", one, "--same-run", "--why", "x", "--archive", archive, "--json")
    names = {name_in(reason) for reason in reasons}
    assert {row["name"] for row in done.rows()} == names - {last}
    assert [name_in(reason) for reason in gate(command_line, "--archive", archive)[1]] == [last]


def test_a_change_that_only_the_runs_of_a_label_show_is_acknowledged_by_its_name(
    tmp_path: Path, command_line: Command
) -> None:
    """Every other night is somebody's experiment, and times jump about."""
    nights = replace(NIGHTS, nights=64, labels=dict.fromkeys(range(1, 64, 2), "tests"), steps={(1, 40): 0.1})
    jumps = {(1, night): 0.6 if night % 4 == 1 else -0.4 for night in nights.labels}
    archive = archived_nights.archive(replace(nights, outliers=jumps), tmp_path)
    assert gate(command_line, "--archive", archive) == (0, [])
    code, (reason,) = gate(command_line, "--archive", archive, "--label", "nightly")
    assert code == 1
    assert command_line("trend", "ack", name_in(reason), "--why", "x", "--archive", archive).code == 0
    assert gate(command_line, "--archive", archive, "--label", "nightly") == (0, [])


def test_what_was_told_before_since_is_left_out(archive: Path, command_line: Command) -> None:
    assert gate(command_line, "--since", "2021-01-20")[0] == 1
    assert gate(command_line, "--since", "2021-02-05") == (0, [])
    none = command_line("trend", "--since", "1d")
    assert none.code == 0
    assert "No case has a run to show." in none.out
    assert "3 series had no run since " in none.out
    assert "the last was on 2021-02-09." in none.out


def test_a_part_without_a_row_is_no_error_but_a_wrong_name_is(archive: Path, command_line: Command) -> None:
    none = command_line("trend", "vgg11", "--section", "drifts")
    assert (none.code, none.err) == (0, "")
    assert none.out.endswith("None.\n")
    wrong = command_line("trend", "--section", "stepps")
    assert (wrong.code, is_one_sentence(wrong.err)) == (2, True)
    assert "Did you mean 'steps'" in wrong.err


def test_steps_are_the_same_whatever_cases_are_asked_for(archive: Path, command_line: Command) -> None:
    def of_alexnet(*words: str) -> list[dict[str, object]]:
        rows = command_line("trend", *words, "--json").rows()
        return [row for row in rows if str(row.get("case", "")).startswith("alexnet")]

    assert of_alexnet("alexnet")
    assert of_alexnet("alexnet") == of_alexnet("alexnet", "vgg11") == of_alexnet()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("alexnt",), "unknown archived case 'alexnt'. Did you mean 'alexnet'?"),
        (("alxnet*",), "no network or case of the archive matches 'alxnet*'. Did you mean 'alexnet'?"),
        (("--label", "nightly", "ack"), "ack comes right after trend: convbench trend ack STEP"),
        (("--label", "nigthly"), "unknown label 'nigthly'. Did you mean 'nightly'?"),
        (("--since", "90"), "--since takes days, as 90d, or a date, as 2026-03-01; got '90'"),
        (("--since", "2026-13-01"), "--since takes days"),
        (("--fail-on", "new-steps"), "unknown --fail-on 'new-steps'. Did you mean 'new-step'?"),
        (
            ("--archive", "elsewhere"),
            "there is no archive at elsewhere. `convbench archive add RUN` makes one",
        ),
        (
            ("ack", "alexnet-00000000", "--why", "x"),
            "unknown change 'alexnet-00000000'. Did you mean 'alexnet-",
        ),
        (("ack", "alexnet-00000000"), "--why needs a reason"),
        (("ack", "--why", "x"), "trend ack needs STEP..., or --all"),
        (("ack", "a", "--all", "--why", "x"), "trend ack needs STEP..., or --all"),
        (("ack", "a", "--why", "x", "--archive", "elsewhere"), "there is no archive at elsewhere"),
        (("unack", "a"), "no change in convbench-archive is acknowledged"),
        (("unack", "../../a"), "unknown acknowledged change"),
    ],
)
def test_bad_input_is_one_sentence(
    archive: Path, command_line: Command, words: tuple[str, ...], said: str
) -> None:
    if words[-1] == "../../a":
        command_line("trend", "ack", "--all", "--why", "x")
    answer = command_line("trend", *words)
    assert (answer.code, answer.out, is_one_sentence(answer.err)) == (2, "", True)
    assert said in answer.err


def test_an_archive_without_runs_says_how_one_is_added(archive: Path, command_line: Command) -> None:
    shutil.rmtree(archive / "entries")
    (archive / "entries").mkdir()
    answer = command_line("trend")
    assert (answer.code, is_one_sentence(answer.err)) == (2, True)
    assert "has no run yet. `convbench archive add RUN --label nightly` adds one" in answer.err


def test_one_run_is_a_report_without_changes(
    tmp_path: Path, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = archived_nights.archive(
        PlantedNights(nights=1, cases=2, processes=2, samples=3), tmp_path / "made"
    )
    made.rename("convbench-archive")
    for form in ("terminal", "md", "html", "csv", "json"):
        assert command_line("trend", "--format", form).code == 0
    assert gate(command_line) == (0, [])


def test_a_damaged_run_is_named_and_the_others_are_shown(archive: Path, command_line: Command) -> None:
    (archive / "index.sqlite").unlink(missing_ok=True)
    damaged = min((archive / "entries").iterdir())
    (damaged / "entry.json").write_text("{")
    answer = command_line("trend", "--format", "md")
    assert answer.code == 1
    assert "1 damaged run is left out" in answer.err
    assert damaged.name[:12] in answer.err
    code, (reason,) = gate(command_line)
    assert code == 1
    assert SLOWER in reason


def test_the_report_goes_to_a_file_in_the_format_of_its_ending(archive: Path, command_line: Command) -> None:
    assert command_line("trend", "-o", "trend.html").out == ""
    assert Path("trend.html").read_text().startswith("<!")
    assert command_line("trend", "-o", "trend.json").out == ""
    assert json.loads(Path("trend.json").read_text())["rows"]


def test_a_reason_cannot_carry_markup_into_the_page(archive: Path, command_line: Command) -> None:
    command_line("trend", "ack", "--all", "--why", "<script>alert(1)</script>")
    page = command_line("trend", "--format", "html").out
    assert "<script>alert(1)" not in page
