"""`convbench compare` and `convbench ab` as commands: exit codes, refusals, and forms of the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from bench.cli.ab import _again
from bench.schema.case import Case
from bench.studies.ab.sides import Side, case_pairs_of, labels
from tests.planted import planted_records
from tests.planted.commands import Command, is_one_sentence

CPU = Case(model="vgg11", batch=8, threads=2)
BASE = (0.100, 0.101, 0.099, 0.1005, 0.0995)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path, Path]:
    """BASE, NEW that is 12% slower, and a run of another image size."""
    slower = [seconds * 1.12 for seconds in BASE]
    return (
        planted_records.write(tmp_path / "base", planted_records.replicates(CPU, BASE)),
        planted_records.write(tmp_path / "new", planted_records.replicates(CPU, slower)),
        planted_records.write(
            tmp_path / "other", planted_records.replicates(structs.replace(CPU, image=64), BASE)
        ),
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [((), 0), (("--fail-on", "slower"), 1), (("--fail-on", "slower", "--margin", "20%"), 0)],
)
def test_the_exit_code_is_the_gates(
    command_line: Command, runs: tuple[Path, Path, Path], options: Sequence[str], code: int
) -> None:
    answer = command_line("compare", *runs[:2], *options)
    assert answer.code == code
    assert ("FAIL (exit 1)" in answer.out) == (code == 1)
    assert answer.err.count("gate: ") == code


def test_nothing_in_common_is_no_success(command_line: Command, runs: tuple[Path, Path, Path]) -> None:
    answer = command_line("compare", runs[0], runs[2])
    assert answer.code == 1
    assert "image 224 px in BASE, 64 px in NEW" in " ".join(answer.out.split())
    assert is_one_sentence(answer.err)
    assert command_line("compare", runs[0], runs[2], "--format", "json").code == 1


def test_markdown_is_short_unless_asked_for_all(command_line: Command, runs: tuple[Path, Path, Path]) -> None:
    short = command_line("compare", *runs[:2], "--format", "md").out
    full = command_line("compare", *runs[:2], "--format", "md", "--full").out
    assert short.startswith("# VGG-11 inference, batch 8: slower\n")
    assert "<details>" not in short
    assert f"convbench compare {runs[0]} {runs[1]} --full" in short
    assert full.startswith("# VGG-11 inference, batch 8: slower\n")
    assert "<details>" in full


def test_a_section_is_shown_alone(command_line: Command, runs: tuple[Path, Path, Path]) -> None:
    answer = command_line("compare", *runs[:2], "--section", "time")
    assert "forward wall" in answer.out
    assert "% slower (" not in answer.out
    assert command_line("compare", *runs[:2], "--section", "tim").code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("one",), "compare needs two run folders, got 1. Usage: convbench compare BASE NEW"),
        ((), "compare needs two runs, before and after"),
        (("one", "--base", "two"), "not both"),
    ],
)
def test_wrong_folders_are_told_the_usage(
    command_line: Command, arguments: Sequence[str], sentence: str
) -> None:
    answer = command_line("compare", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert sentence in answer.err


def test_ab_refuses_to_compare_a_configuration_with_itself(command_line: Command, tmp_path: Path) -> None:
    """... unless it is asked to: that takes minutes and says nothing but how noisy the machine is."""
    out = tmp_path / "out"
    one = ("ab", "--model", "lenet5", "--device", "cpu", "--out", out, "--dry-run")
    for sides in ((), ("--a", "layout=nchw"), ("--a", "batch=8", "--b", "batch=8")):
        answer = command_line(*one, *sides)
        assert answer.code == 2
        assert "sides A and B are the same" in answer.err
        assert "--same" in answer.err
    assert command_line(*one, "--same").code == 0
    assert command_line(*one, "--b", "layout=channels-last").code == 0
    answer = command_line(*one, "--same", "--b", "layout=channels-last")
    assert (answer.code, is_one_sentence(answer.err)) == (2, True)
    assert not out.exists()


def test_a_command_is_repeated_without_its_folder_and_budget() -> None:
    typed = ["ab", "--model", "lenet5", "--out", "runs/1", "--budget=600", "--b", "batch=8", "--budget", "9"]
    assert _again(typed) == ("ab", "--model", "lenet5", "--b", "batch=8")
    assert _again(["tests/test_it.py"]) == ()


def test_a_side_that_changes_nothing_is_told_by_what_the_other_changes() -> None:
    cases = [CPU], [structs.replace(CPU, layout="channels-last")]
    sides = Side(), Side(changes={"layout": "channels-last"})
    assert labels(sides, case_pairs_of(*cases)) == ("layout=nchw", "layout=channels-last")
    assert labels((Side(), Side(python=Path("p"))), case_pairs_of(cases[0], cases[0])) == ("as it is", "p")
