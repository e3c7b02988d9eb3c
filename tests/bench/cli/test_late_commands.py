"""What asks for a line of text does not import what measures: none of this is timed, imports are counted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer

from bench.cli import COMMANDS, app, late_commands
from tests.planted.commands import ROOT, Command

HEAVY = {"torch", "numpy", "scipy", "matplotlib", "jinja2", "pydantic", "psutil", "sklearn", "fvcore"}
OWN_OF_HELP = {"bench", "bench.cli", "bench.cli.late_commands", "bench.cli.output", "bench.cli.streams"}
OWN_OF_HELP |= {"bench.cli.kept_run"}
"""All of `bench` that the list of commands needs, but for what a sentence on stderr takes."""


def imported(*command: str) -> set[str]:
    """The names of all modules that Python has when it has answered."""
    code = (
        "import sys\n"
        f"sys.argv = ['convbench', *{list(command)!r}]\n"
        "from bench import cli\n"
        "try: cli.main()\n"
        "except SystemExit as done: assert not done.code\n"
        "finally: print(*sorted(sys.modules), file=sys.stderr)\n"
    )
    return _modules(code)


def _modules(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


@pytest.fixture(scope="module")
def of_typer() -> set[str]:
    """The modules that typer needs to print any help: the price of having it."""
    return _modules("import sys, typer.rich_utils; print(*sorted(sys.modules), file=sys.stderr)")


@pytest.mark.parametrize(
    ("command", "most"),
    [(["--help"], 50), (["list"], 190), (["report", "--help"], 190)],
    ids=["help", "list", "report-help"],
)
def test_an_answer_imports_little_more_than_typer_does(
    of_typer: set[str], command: list[str], most: int
) -> None:
    """`most` holds all modules of Python, of other packages and of ours that typer does without."""
    found = imported(*command) - of_typer
    assert {name.partition(".")[0] for name in found} & HEAVY == set()
    assert len(found) <= most, sorted(found)


def test_the_list_of_commands_imports_none_of_them() -> None:
    own = {name for name in imported("--help") if name.split(".")[0] in ("bench", "models", "reports")}
    assert own <= OWN_OF_HELP | {"bench.schema", "bench.schema.plain_text", "models", "models.errors"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_own_help_begins_with(name: str) -> None:
    said = late_commands.load(name).help
    assert said is not None
    assert " ".join(said.partition("\n\n")[0].split()) == COMMANDS[name][1]


@pytest.mark.parametrize("group", ["archive", "fleet", "trend"])
def test_the_list_of_a_group_says_what_the_help_of_its_commands_begins_with(group: str) -> None:
    for name, listed in late_commands.load(group).commands.items():
        said = late_commands.load(f"{group} {name}").help
        assert said is not None
        assert " ".join(said.partition("\n\n")[0].split()) == listed.help


def test_a_command_may_have_others_behind_its_name(command_line: Command) -> None:
    """`trend ack` is one of them; any other word is a case."""
    assert "trend ack [OPTIONS] STEP..." in command_line("trend", "ack", "--help").out
    assert "trend [OPTIONS] [CASE...]" in command_line("trend", "ackk", "--help").out
    assert "trend ack" in command_line("trend", "--help").out
    assert "See `convbench trend ack --help`" in command_line("trend", "ack", "--section", "x").err


def test_every_command_of_the_list_is_one() -> None:
    listed = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert list(listed) == list(COMMANDS)
