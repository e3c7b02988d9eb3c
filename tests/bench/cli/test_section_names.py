"""A wrong --section is refused before anything is measured; one without figures costs no report."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import COMMANDS, late_commands, output, section_names
from reports.document import Document, Part, Table
from reports.pages import run_parts
from tests.planted.commands import Command, is_one_sentence

READING = {"report", "compare", "doctor", "trend"}
"""They measure nothing, so their reports know what they have."""
MEASURING = [
    name
    for name in COMMANDS
    if name not in READING and any(each.name == "section" for each in late_commands.load(name).params)
]
WORDS = {
    **dict.fromkeys(("train", "layers", "best", "max-batch", "cost", "scale"), ("lenet5",)),
    "ablate": ("kernels",),
    "ab": ("--model", "lenet5", "--b", "precision=bf16"),
    "bisect": ("HEAD~1", "HEAD", "--model", "lenet5"),
    "claims": ("--run",),
    "history": ("--run",),
}


@pytest.mark.parametrize("command", MEASURING)
def test_a_wrong_name_is_refused_before_anything_is_measured(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for place in ("bench.forkserver.client.Server.__enter__", "bench.runner.network_costs.entries"):
        monkeypatch.setattr(place, lambda *_, **__: pytest.fail("it was begun"))
    known = section_names.known(command)
    assert known
    out = () if command == "cost" else ("--out", tmp_path / "out")
    answer = command_line(command, *WORDS.get(command, ()), "--section", f"{known[0]}x", *out)
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err) or len(known) > 8
    assert f"unknown section '{known[0]}x'. Did you mean '{known[0]}'?" in answer.err
    assert not (tmp_path / "out").exists()


def test_a_part_and_all_parts_are_not_asked_for_together(command_line: Command) -> None:
    answer = command_line("best", "lenet5", "--section", "candidates", "--full")
    assert answer.code == 2
    assert "give one of the two" in answer.err


@pytest.mark.parametrize("part", [value for value in vars(run_parts).values() if isinstance(value, Part)])
def test_every_part_of_a_run_is_known_beforehand(part: Part) -> None:
    assert part.name in section_names.known("run")


def test_a_section_without_figures_leaves_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title="Time", columns=("a",), rows=((1,),), part=run_parts.LATENCY)
    document = Document(title="A run", tables=(table,))
    assert output.measured(document, "energy", full=False) == document
    assert capsys.readouterr().err == (
        "convbench: this report has no section 'energy', because nothing was measured for it. "
        "It has: latency\n"
    )
    assert output.measured(document, "latency", full=False).whole
