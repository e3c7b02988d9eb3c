"""`convbench archive`, and `@NAME` in the commands that take run folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.schema.case import Case
from tests.planted import planted_fleet, planted_records
from tests.planted.commands import Command, is_one_sentence
from tests.planted.planted_fleet import PlantedFleet


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, `before` and `after`, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVBENCH_ARCHIVE", raising=False)
    for name, seconds in (("before", 0.2), ("after", 0.3)):
        medians = [seconds * (1 + step / 1000) for step in range(5)]
        planted_records.write(
            tmp_path / "runs" / name, planted_records.replicates(Case(model="vgg11"), medians)
        )
    return tmp_path / "runs"


def test_a_run_is_added_named_and_compared(runs: Path, command_line: Command) -> None:
    added = command_line("archive", "add", "runs/before", "--label", "nightly", "--json").rows()
    assert [(row["source"], row["label"], row["is_new"]) for row in added] == [("runs/before", "nightly", 1)]
    assert command_line("archive", "add", "runs/before", "--json").rows()[0]["is_new"] == 0
    assert command_line("archive", "pin", "v1.0", "runs/before").code == 0
    (row,) = command_line("archive", "list", "--json").rows()
    assert (row["names"], row["label"], row["processes"]) == ("v1.0", "nightly", 5)
    compared = command_line("compare", "@v1.0", "runs/after", "--fail-on", "slower")
    assert compared.code == 1
    assert "BASE @v1.0 · NEW runs/after" in compared.out
    assert "is slower" in compared.out
    assert "/tmp" not in compared.out


def test_a_run_that_was_resumed_and_added_again_counts_once(runs: Path, command_line: Command) -> None:
    whole = (runs / "before" / "records.jsonl").read_bytes()
    (runs / "before" / "records.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    (first,) = command_line("archive", "add", "runs/before", "--json").rows()
    (runs / "before" / "records.jsonl").write_bytes(whole)
    again = command_line("archive", "add", "runs/before")
    assert f"It supersedes {first['digest'][:12]}" in again.out
    (row,) = command_line("archive", "list", "--json").rows()
    assert (row["records"], row["processes"]) == (5, 5)
    listed = command_line("archive", "list", "--full")
    assert "1 run superseded, by the same run with more records." in listed.out
    assert "Superseded runs" in listed.out
    assert first["digest"][:12] in listed.out


def test_a_run_is_given_another_label(runs: Path, command_line: Command) -> None:
    command_line("archive", "add", "runs/before", "--label", "nightly")
    again = command_line("archive", "add", "runs/before", "--label", "weekly")
    assert "label nightly" in again.out
    (suggested,) = [line for line in again.out.splitlines() if "convbench archive label weekly" in line]
    digest = suggested.split("label weekly ")[1].split()[0]
    labeled = command_line("archive", "label", "weekly", "runs/before", digest)
    assert labeled.code == 0
    assert [row["label"] for row in command_line("archive", "list", "--json").rows()] == ["weekly"]
    assert "label weekly" in command_line("archive", "show", digest).out
    command_line("archive", "label", "", digest)
    assert [row["label"] for row in command_line("archive", "list", "--json").rows()] == [""]
    refused = command_line("archive", "label", "../x", digest)
    assert refused.code == 2
    assert is_one_sentence(refused.err)
    assert command_line("archive", "label", "weekly", "runs/after").code == 2


def test_reports_are_those_of_the_folder_itself(runs: Path, command_line: Command) -> None:
    command_line("archive", "pin", "v1.0", "runs/before")
    for form in ("csv", "json"):
        answers = [command_line("report", name, "--format", form).out for name in ("@v1.0", "runs/before")]
        assert answers[0].replace("@v1.0", "runs/before") == answers[1]


def test_names_are_taken_wherever_a_run_folder_is(runs: Path, command_line: Command) -> None:
    command_line("archive", "pin", "v1.0", "runs/before")
    assert command_line("compare", "--base", "@v1.0", "--new", "runs/after").code == 0
    refused = command_line("merge", "@v1.0", "runs/after", "--out", "merged")
    assert "@v1.0 and runs/after hold different records" in refused.err
    assert command_line("merge", "@v1.0", "runs/before", "--out", "merged").code == 0
    sources = json.loads(Path("merged/merged.json").read_text())["sources"]
    assert [each["folder"] for each in sources] == ["@v1.0", "runs/before"]
    assert command_line("history", "--from", "@v1.0").code == 0
    assert command_line("history", "@v1.0").code == 0  # the old spelling
    assert command_line("claims", "dropout", "--from", "@v1.0").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("compare", "@v1.1", "runs/after"),
        ("report", "@v1.1"),
        ("fleet", "report", "@v1.1"),
        ("fleet", "report", "runs/after", "--against", "@v1.1"),
        ("merge", "@v1.1", "--out", "merged"),
        ("history", "--from", "@v1.1"),
        ("claims", "--from", "@v1.1"),
        ("best", "vgg11", "--from", "@v1.1", "--out", "best"),
        ("archive", "show", "@v1.1"),
        ("archive", "unpin", "v1.1"),
    ],
)
def test_an_unknown_name_is_one_sentence_with_the_nearest(
    runs: Path, command_line: Command, command: tuple[str, ...]
) -> None:
    command_line("archive", "pin", "v1.0", "runs/before")
    answer = command_line(*command)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "Did you mean" in answer.err
    assert "v1.0" in answer.err


def test_a_name_without_an_archive_is_one_sentence(runs: Path, command_line: Command) -> None:
    answer = command_line("compare", "@v1.0", "runs/after")
    assert (answer.code, is_one_sentence(answer.err)) == (2, True)
    assert "convbench archive add RUN" in answer.err


def test_a_run_is_not_compared_with_itself_under_its_name(runs: Path, command_line: Command) -> None:
    command_line("archive", "pin", "v1.0", "runs/before")
    command_line("archive", "pin", "v2.0", "runs/before")
    answer = command_line("compare", "@v1.0", "@v2.0")
    assert (answer.code, "the same run" in answer.err) == (2, True)


def test_a_fleet_is_a_baseline(
    tmp_path: Path, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fleet = PlantedFleet(nodes=3, gpus=2, tests=2)
    planted_fleet.write_fleet(tmp_path / "fleet", fleet)
    assert command_line("archive", "pin", "before", "fleet").code == 0
    whole, archived = (command_line("fleet", "report", name, "--json") for name in ("fleet", "@before"))
    assert archived.code == whole.code
    assert archived.rows() == whole.rows()
    against = command_line("fleet", "report", "fleet", "--against", "@before")
    assert against.code == whole.code
    assert "@before" in against.out
    confirm = command_line("fleet", "confirm", "fleet", "--against", "@before")
    assert confirm.out == "nothing to confirm: no machine of fleet is a suspect by the center of @before\n"
    next_ = command_line("fleet", "report", "@before").out
    assert "--resume" not in next_
    assert "fleet confirm" not in next_


def test_verify_finds_a_flipped_bit(runs: Path, command_line: Command) -> None:
    command_line("archive", "add", "runs/before", "runs/after")
    assert command_line("archive", "verify").code == 0
    file = next(Path("convbench-archive/entries").rglob("contents.xz"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    answer = command_line("archive", "verify")
    assert answer.code == 1
    assert "1 of 2 runs damaged" in answer.out
    assert file.parent.name[:12] in answer.out


def test_prune_says_what_it_removes(runs: Path, command_line: Command) -> None:
    command_line("archive", "add", "runs/before", "runs/after", "--archive", "elsewhere")
    command_line("archive", "pin", "v1.0", "runs/before", "--archive", "elsewhere")
    dry = command_line("archive", "prune", "--keep", "0", "--dry-run", "--archive", "elsewhere")
    assert "1 run would be removed" in dry.out
    assert "1 run kept only by name" in dry.out
    done = command_line("archive", "prune", "--keep", "0", "--archive", "elsewhere", "--json")
    assert [row["source"] for row in done.rows()] == ["runs/after"]
    (left,) = command_line("archive", "list", "--archive", "elsewhere", "--json").rows()
    assert left["names"] == "v1.0"


def test_show_knows_the_cases(runs: Path, command_line: Command) -> None:
    command_line("archive", "add", "runs/before")
    (row,) = command_line("archive", "show", "runs/before", "--json").rows()
    assert (row["model"], row["processes"], row["seconds"]) == ("vgg11", 5, pytest.approx(0.2004))
    assert command_line("archive", "show", "runs/after").code == 2


def test_the_next_command_finds_the_same_archive(runs: Path, command_line: Command) -> None:
    command_line("archive", "add", "runs/before", "runs/after", "--archive", "else where")
    listed = command_line("archive", "list", "--archive", "else where").out
    assert "CONVBENCH_ARCHIVE='else where' convbench compare @" in listed


def test_a_terminal_obeys_nothing_in_an_error(runs: Path, command_line: Command) -> None:
    refused = command_line("archive", "add", "no\x1b[31mrun\x9b1m")
    assert refused.code == 2
    assert is_one_sentence(refused.err)
    assert refused.err.removesuffix("\n").isprintable()


def test_the_sides_of_ab_are_shown_by_a_comparison(runs: Path, command_line: Command) -> None:
    (runs / "before").rename(runs / "a")
    (runs / "after").rename(runs / "b")
    (row,) = command_line("archive", "add", "runs", "--json").rows()
    name = f"@{row['digest'][:12]}"
    shown = command_line("archive", "show", name)
    assert f"convbench compare {name}/a {name}/b" in shown.out
    assert "is slower" in command_line("compare", f"{name}/a", f"{name}/b").out
    assert "no run of convbench-archive has timed a case" in command_line("trend").err
