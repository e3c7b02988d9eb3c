"""Old names of options: they work, say what they are now, and stand in no help."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import late_commands, old_spellings
from tests.planted.commands import Command, is_one_sentence


@pytest.mark.parametrize("words", [("--seed", "5"), ("--seed=5",)])
def test_the_old_name_of_the_first_seed_works_and_says_so(
    command_line: Command, words: tuple[str, ...]
) -> None:
    options = ("--dry-run", "--device", "cpu", "--format", "json")
    answer = command_line("train", "lenet5", *options, *words)
    assert (answer.code, [row["learning_seed"] for row in answer.rows()]) == (0, [5])
    assert is_one_sentence(answer.err)
    assert "--seed of train is now --first-seed" in answer.err
    assert command_line("train", "lenet5", *options, "--first-seed", 5).out == answer.out


def test_history_takes_folders_as_before_and_names_the_option(command_line: Command, tmp_path: Path) -> None:
    answer = command_line("history", tmp_path / "none")
    assert answer.code == 2
    assert "history FOLDER is now history --from FOLDER" in answer.err
    asked = command_line("history", "--from", tmp_path / "none")
    assert (asked.code, is_one_sentence(asked.err)) == (2, True)
    assert "there is no directory" in asked.err


@pytest.mark.parametrize(
    ("command", "old"), [(name, old) for name, of_it in old_spellings.RENAMED.items() for old in of_it]
)
def test_an_old_name_is_in_no_help(command_line: Command, command: str, old: str) -> None:
    assert f"{old} " not in command_line(command, "--help").out
    known = [option for each in late_commands.load(command).params for option in each.opts]
    assert old not in known
    assert old_spellings.RENAMED[command][old] in known
