"""The help of every command: examples that parse, exit codes, accepted values and words for values."""

from __future__ import annotations

import shlex

import pytest

from bench.cli import COMMANDS, examples, late_commands
from bench.plan.axes import AXES, NamedAxis
from tests.planted.commands import Command

LIGHT = (
    "convbench list models",
    "convbench list axes",
    "convbench ablate kernels --dry-run",
    "convbench claims --run --dry-run",
)
"""Examples that measure nothing."""


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_of_the_command_and_parse(name: str) -> None:
    lines = examples.EXAMPLES[name]
    assert 2 <= len(lines) <= 3
    for line in lines:
        words = shlex.split(line.rpartition("|")[2])
        assert words[:2] == ["convbench", name]
        late_commands.load(name).make_context(name, words[2:])


@pytest.mark.parametrize("line", LIGHT)
def test_light_examples_run(command_line: Command, line: str) -> None:
    assert any(line in lines for lines in examples.EXAMPLES.values())
    answer = command_line(*shlex.split(line)[1:])
    assert (answer.code, answer.err) == (0, "")
    assert answer.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_and_exit_codes_and_no_type_of_python(
    command_line: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    answer = command_line(name, "-h")
    assert (answer.code, answer.err) == (0, "")
    assert f"  {examples.EXAMPLES[name][0]}" in answer.out
    assert "Exit codes: 0" in answer.out
    for type_ in ("list[", "<str>", "<Path>", "PATH", "TEXT", "INTEGER"):
        assert type_ not in answer.out, type_


@pytest.mark.parametrize("name", COMMANDS)
def test_a_description_is_broken_by_the_width_alone(name: str) -> None:
    """A line break of the docstring would leave a short line in the middle of a paragraph."""
    described = late_commands.load(name).help
    assert described
    assert all("\n" not in paragraph for paragraph in described.split("\n\n"))


def test_the_help_of_all_has_a_panel_for_each_question(command_line: Command) -> None:
    said = command_line("-h").out
    places = [
        said.index(word) for word in ("Measure", "Compare", "Understand", "Check", "Examples:", "Exit codes:")
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("axis", [name for name, axis in AXES.items() if isinstance(axis, NamedAxis)])
def test_the_help_of_an_axis_of_names_lists_them(axis: str) -> None:
    found = AXES[axis]
    assert isinstance(found, NamedAxis)
    if axis == "model":
        assert "convbench list models" in found.summary
        return
    for name in found.accepted():
        assert name in found.summary or name in ("mps", "fake"), name
