"""The first screen of a report, as someone reads it who has never seen one.

Written from what a reader must be told, and not from the code: within one screen the figure with its
interval, whether it is certain, and what to do next; and never a number that the records do not support.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.schema.case import Case
from bench.schema.record import Record
from tests.planted.commands import Command
from tests.planted.planted_records import fact, record, replicates, write

LINES, COLUMNS = 24, 100

VGG = Case(model="vgg16", threads=2, batch=8)
VGG_BF16 = Case(model="vgg16", threads=2, batch=8, precision="bf16", layout="channels-last")
TRAINING = Case(model="vgg16", workload="training", threads=2, batch=8)


def run_of(directory: Path, *cases: tuple[Case, Sequence[float]]) -> Path:
    """A folder whose cases have these medians, one for each process."""
    return write(directory, [each for case, medians in cases for each in timed(case, medians)])


def timed(case: Case, medians: Sequence[float]) -> list[Record]:
    return replicates(case, medians, "forward" if case.workload == "inference" else "step")


@pytest.fixture
def resolved(tmp_path: Path) -> Path:
    """VGG-16: 1.200 s in fp32 and 0.150 s in bf16, which is 8 times as fast."""
    return run_of(tmp_path / "run", (VGG, (1.19, 1.20, 1.21)), (VGG_BF16, (0.149, 0.150, 0.151)))


def test_the_answer_stands_on_the_first_screen(resolved: Path, command_line: Command) -> None:
    answer = command_line("report", str(resolved), "--format", "terminal")
    lines = answer.out.splitlines()
    assert len(lines) <= LINES
    assert max(len(line) for line in lines if "Next:" not in line and "More:" not in line) <= COLUMNS
    assert re.search(r"VGG-16.*batch 8.*150 ms", answer.out.replace("\n", " "))
    assert re.search(r"\b8(\.\d)?x as fast", answer.out.replace("\n", " "))
    assert "Next: convbench " in answer.out


def test_a_figure_comes_before_any_word_about_the_machine_or_the_method(
    resolved: Path, command_line: Command
) -> None:
    for format_ in ("terminal", "md"):
        text = command_line("report", str(resolved), "--format", format_).out
        before = text[: text.index("150 ms")]
        assert len(before.splitlines()) <= 6, format_
        assert not any(word in before for word in ("geometric mean", "confidence", "torchvision", "Python"))


def test_the_answer_is_the_same_in_every_format(resolved: Path, command_line: Command) -> None:
    shown = json.loads(command_line("report", str(resolved), "--format", "json").out)
    assert shown["headline"]
    for sentence in shown["headline"]:
        for format_ in ("terminal", "md", "html"):
            text = " ".join(command_line("report", str(resolved), "--format", format_).out.split())
            text = text.replace("&lt;", "<").replace("\\", "")
            assert " ".join(sentence.split()) in text, format_


def test_what_is_not_resolved_is_no_number_and_nothing_follows_from_it(
    tmp_path: Path, command_line: Command
) -> None:
    """Medians of 3 and 23 ms have a geometric mean of 8.3 ms, which would be taken for a figure."""
    run = run_of(tmp_path / "run", (Case(model="alexnet", threads=2), (0.003, 0.023)))
    screen = command_line("report", str(run), "--format", "terminal").out
    assert "not resolved" in screen
    assert "8.3" not in screen
    assert not re.search(r"[\d.]+ images/s", screen)
    assert "--until" in screen or "--replicates" in screen


def test_a_speed_up_that_the_processes_do_not_support_is_not_claimed(
    tmp_path: Path, command_line: Command
) -> None:
    run = run_of(tmp_path / "run", (VGG, (1.0, 1.2, 0.9)), (VGG_BF16, (0.95, 1.15, 0.88)))
    screen = command_line("report", str(run), "--format", "terminal").out
    assert "as fast as" not in screen


def test_one_process_is_marked(tmp_path: Path, command_line: Command) -> None:
    run = run_of(tmp_path / "run", (VGG, (1.2,)))
    screen = command_line("report", str(run), "--format", "terminal").out
    assert re.search(r"1\.20? s †|1,200 (ms )?†|1,?200.*†", screen)
    assert "±" not in screen


def test_failures_are_counted_on_the_first_screen_and_the_command_runs_them_again(
    tmp_path: Path, command_line: Command
) -> None:
    failed = record(structs.replace(TRAINING, batch=4096), status="oom", reason="out of memory")
    run = write(tmp_path / "run", [*timed(VGG, (1.19, 1.20, 1.21)), failed])
    screen = command_line("report", str(run), "--format", "terminal").out
    assert re.search(r"1 of 2 cases|1 case failed|1 failed", screen)


def test_sections_are_named_shown_alone_and_all_together(resolved: Path, command_line: Command) -> None:
    screen = command_line("report", str(resolved), "--format", "terminal").out
    found = re.search(r"--section ([\w|-]+)", screen)
    assert found is not None
    names = found[1].split("|")
    shown = [
        command_line("report", str(resolved), "--format", "terminal", "--section", name) for name in names
    ]
    assert [answer.code for answer in shown] == [0] * len(names)
    assert len({answer.out for answer in shown}) == len(names)
    whole = command_line("report", str(resolved), "--format", "terminal", "--full").out
    assert len(whole.splitlines()) > len(screen.splitlines())
    unknown = command_line("report", str(resolved), "--section", names[0] + "x")
    assert (unknown.code, unknown.out) == (2, "")
    assert names[0] in unknown.err


def test_a_verdict_comes_first_and_says_by_how_much(tmp_path: Path, command_line: Command) -> None:
    base = run_of(tmp_path / "base", (VGG, (1.0, 1.002, 0.998, 1.001, 0.999)))
    new = run_of(tmp_path / "new", (VGG, (1.1, 1.102, 1.098, 1.101, 1.099)))
    answer = command_line("compare", str(base), str(new), "--format", "terminal")
    first = " ".join(answer.out.splitlines()[:8])
    assert re.search(r"VGG-16.* is 10(\.0)?% slower", first)
    assert len(answer.out.splitlines()) <= LINES
    same = command_line(
        "compare", str(base), str(base.with_name("new")), "--fail-on", "slower", "--format", "terminal"
    )
    assert same.code == 1
    assert "FAIL" in same.out


def test_nothing_comparable_is_no_success(tmp_path: Path, command_line: Command) -> None:
    base = run_of(tmp_path / "base", (structs.replace(VGG, image=64), (1.0, 1.01)))
    new = run_of(tmp_path / "new", (structs.replace(VGG, image=32), (1.0, 1.01)))
    answer = command_line("compare", str(base), str(new), "--format", "terminal")
    assert answer.code == 1
    said = answer.out + answer.err
    assert "64" in said
    assert "32" in said


def test_json_says_how_the_report_was_made_and_how_well_each_figure_is_known(
    resolved: Path, command_line: Command
) -> None:
    shown = json.loads(command_line("report", str(resolved), "--format", "json").out)
    assert {"schema", "convbench", "command", "started_at", "finished_at", "machines"} <= set(shown)
    assert {"headline", "warnings", "rows"} <= set(shown)
    times = [row for row in shown["rows"] if row["metric"] == "wall_time"]
    assert times
    assert {row["state"] for row in times} == {"resolved"}


def test_memory_and_time_have_units_that_people_read(tmp_path: Path, command_line: Command) -> None:
    """0.45 ms is 450 µs, and 3,400 ms are 3.4 s; one table has one unit."""
    lenet = Case(model="lenet5", image=28, channels=1, classes=10, threads=2)
    small = run_of(tmp_path / "small", (lenet, (0.00045, 0.000451, 0.000449)))
    assert "450 µs" in command_line("report", str(small), "--format", "terminal").out
    large = run_of(tmp_path / "large", (TRAINING, (3.4, 3.41, 3.39)))
    assert "3.40 s" in command_line("report", str(large), "--format", "terminal").out


def test_a_narrow_screen_keeps_the_figure(
    resolved: Path, command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen = command_line("report", str(resolved), "--format", "terminal").out
    assert "150" in screen
    assert "Next: " in screen


def test_a_layer_of_counted_facts_alone_has_an_answer_too(tmp_path: Path, command_line: Command) -> None:
    run = write(tmp_path / "run", [record(VGG, fact("model", "weights", 5.5e8))])
    answer = command_line("report", str(run), "--format", "terminal")
    assert answer.code == 0
    assert "Traceback" not in answer.err
