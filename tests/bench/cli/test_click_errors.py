"""Errors of the parser of options have the style of all others: what is wrong, and what to do next."""

from __future__ import annotations

import pytest

from tests.planted.commands import Command


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run --bacth 3", "unknown option '--bacth'. Did you mean '--batch'? See `convbench run --help`"),
        ("run --batch", "--batch needs a value"),
        ("run surplus", "unexpected argument 'surplus'. See `convbench run --help`"),
        ("run --dry-run=yes", "--dry-run takes no value"),
        ("cost", "MODEL... is missing. Usage: convbench cost [OPTIONS] MODEL..."),
        (
            "rnu",
            "unknown command 'rnu'. Did you mean 'run'? Accepted: run, time, train, ablate, best, max-batch",
        ),
        ("--verbos", "unknown option '--verbos'. Did you mean '--version'? See `convbench --help`"),
    ],
)
def test_each_is_a_sentence_and_a_way_out(command_line: Command, line: str, said: str) -> None:
    answer = command_line(*line.split())
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"convbench: {said}")
    assert answer.err.count("\n") == 1
