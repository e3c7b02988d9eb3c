"""The options that every command has: format, file, quiet, verbose, color."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import COMMANDS, archive, fleet, late_commands, trend
from tests.planted import planted_records
from tests.planted.commands import Command, is_one_sentence

GROUPS = {"archive": archive.SUBCOMMANDS, "fleet": fleet.SUBCOMMANDS}
OF_GROUPS = [f"{group} {name}" for group, names in GROUPS.items() for name in names]
OF_GROUPS += [f"trend {name}" for name in trend.SUBCOMMANDS]


@pytest.mark.parametrize("name", [*(name for name in COMMANDS if name not in GROUPS), *OF_GROUPS])
def test_every_command_has_them_and_their_panels(name: str) -> None:
    options = {opt: each for each in late_commands.load(name).params for opt in each.opts}
    for option in ("--format", "--json", "-o", "--output", "-q", "--quiet", "-v", "--verbose", "--color"):
        assert options[option].rich_help_panel == "Output", option


def test_json_is_a_short_word_for_the_format(command_line: Command) -> None:
    assert (
        command_line("list", "suites", "--json").out == command_line("list", "suites", "--format", "json").out
    )
    assert json.loads(command_line("list", "suites", "--json").out)["rows"]
    refused = command_line("list", "suites", "--json", "--format", "md")
    assert refused == (2, "", "convbench: give --json or --format md, not both\n")


@pytest.mark.parametrize(
    ("name", "begins"), [("x.json", "{"), ("x.csv", "list,name"), ("x.txt", "# "), ("x.md", "# ")]
)
def test_the_ending_of_the_file_says_the_format(
    command_line: Command, tmp_path: Path, name: str, begins: str
) -> None:
    answer = command_line("list", "suites", "-o", tmp_path / name)
    assert (answer.code, answer.out) == (0, "")
    assert (tmp_path / name).read_text().startswith(begins)


@pytest.mark.parametrize("command", [("list",), ("cost", "lenet5"), ("report", ".")])
def test_an_ending_of_no_format_is_refused(
    command_line: Command, tmp_path: Path, command: tuple[str, ...]
) -> None:
    answer = command_line(*command, "-o", tmp_path / "x.pdf")
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert (
        "no format ends with .pdf. Accepted: .csv, .html, .json, .md, .terminal, .parquet, .txt" in answer.err
    )
    assert list(tmp_path.iterdir()) == []
    assert command_line("list", "suites", "-o", tmp_path / "x.pdf", "--format", "md").code == 0


def test_the_default_is_text_for_a_terminal(command_line: Command) -> None:
    for command in (("list", "suites"), ("claims", "shapes-vgg"), ("doctor", "--device", "cpu")):
        assert "|:--" not in command_line(*command).out


@pytest.mark.parametrize(("color", "is_colored"), [("always", True), ("auto", False), ("never", False)])
def test_color_is_for_terminals_unless_asked_for(
    command_line: Command, monkeypatch: pytest.MonkeyPatch, color: str, is_colored: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert ("\x1b[" in command_line("list", "suites", "--color", color).out) == is_colored


def test_a_word_that_is_no_color_is_refused(command_line: Command) -> None:
    answer = command_line("list", "--color", "sometimes")
    assert answer == (2, "", "convbench: unknown --color 'sometimes'. Accepted: auto, always, never\n")


def test_quiet_and_verbose_are_not_both(command_line: Command) -> None:
    assert command_line("list", "-q", "-v").err == "convbench: give --quiet or --verbose, not both\n"


def test_a_report_reads_records_from_standard_input(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.schema.case import Case

    folder = planted_records.write(
        tmp_path / "run", planted_records.replicates(Case(model="vgg11"), (0.1, 0.11))
    )
    rows = command_line("report", folder, "--json").rows()
    for name in ("-", "/dev/stdin"):
        with (folder / "records.jsonl").open() as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            assert command_line("report", name, "--json").rows() == rows
