"""Every command of the README and of docs/ works as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from textwrap import indent

import pytest

from bench import cli
from bench.cli import late_commands
from tests.planted.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NODE = ROOT / "tests" / "planted" / "upgraded_convbench.py"
WALK_THROUGH = ROOT / "docs" / "fleet.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
INSTANT = [
    ROOT / "docs" / f"{name}.md"
    for name in ("cookbook/several-machines", "cookbook/upgrade", "archive", "exports", "trend")
]
"""Pages whose runs are dealt out, merged, compared, kept or exported: processes answer at once, since other
pages measure the same network."""
INCOMPLETE = 3
"""The exit code where the budget ended before the plan did."""


def commands(text: str) -> list[str]:
    """The lines of a page's blocks of shell."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def takes_long(command: str) -> bool:
    """Whether a command starts a child, or reads what an earlier one of its page has measured."""
    words = command.split()
    starts = words[1] in ("cost", "selftest", "time") or any(word.startswith("runs/") for word in words)
    return starts and "--dry-run" not in words


COMMANDS = [
    pytest.param(page, command, id=command, marks=[pytest.mark.slow] if takes_long(command) else [])
    for page in PAGES
    if page != WALK_THROUGH  # tests/test_fleet_walkthrough.py runs it
    for command in commands(page.read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """For each page a folder with the examples, as a user's clone has them: its commands build on each
    other's runs."""

    @cache
    def folder(page: Path) -> Path:
        made = tmp_path_factory.mktemp(page.stem)
        shutil.copytree(ROOT / "examples", made / "examples")
        return made

    return folder


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_command(page: Path, command: str, folder_of: Callable[[Path], Path]) -> None:
    program, *arguments = shlex.split(command)
    assert program == "convbench"
    source = "tests.planted.instant_runs" if page in INSTANT and arguments[0] == "run" else "bench.cli"
    boot = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {source} import main; main()"
    # The quickest protocol the command line has: what is tested is that the command works.
    quick = {
        "run": ["--target-ci", "100%"],
        "time": ["--until", "100%", "--budget", "1"],
        "ab": ["--target-ci", "100%", "--budget", "1"],
        "train": ["--epochs", "1"],
        "ablate": ["--epochs", "1", "--budget", "1"],
        "best": ["--budget", "10", "--no-ceilings"],
        # Nodes answer at once; that they measure is tested elsewhere.
        "fleet run": ["--convbench", shlex.join([sys.executable, str(NODE)])],
    }
    added = quick.get(" ".join(arguments[:2]), quick.get(arguments[0], []))
    if arguments[0] == "run" and {"--replicates", "--until", "--suite", "--resume"}.isdisjoint(arguments):
        added = [*added, "--until", "100%"]
    for several in ("--replicates", "--seeds"):
        if several in arguments:
            added = [*added, several, "2"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", boot, *arguments, *added],
        cwd=folder_of(page),
        capture_output=True,
        text=True,
        timeout=300,
    )
    may_be_incomplete = "--budget" in [*arguments, *added]
    assert done.returncode in ((0, INCOMPLETE) if may_be_incomplete else (0,)), done.stderr
    assert "Traceback" not in done.stderr


def test_the_tutorial_is_run_from_cost_to_ab() -> None:
    """Its commands are among those above."""
    asked = [command.split()[1] for command in commands(TUTORIAL.read_text(encoding="utf-8"))]
    assert asked == ["cost", "doctor", "time", "run", "report", "run", "compare", "ab"]


def mentioned(text: str) -> list[str]:
    """The commands that stand in the sentences and tables of a page, or in a help text."""
    in_a_line = re.findall(r"`(convbench [a-z][^`]*)`", text)
    alone = re.findall(r"^(?: {2,}|\$ )(convbench [a-z].*)$", text, re.MULTILINE)
    return [*in_a_line, *alone]


def why_refused(command: str) -> str | None:
    """What the parser of a command has against its arguments; required ones may be left out."""
    name, *arguments = shlex.split(command.replace("\\\n", " "), comments=True)[1:]
    if name not in cli.COMMANDS:
        return f"there is no command {name}"
    loaded = late_commands.load(name)
    inner = getattr(loaded, "commands", {})
    is_group = inner and not loaded.params
    if arguments and (is_group or arguments[0] in inner):
        name, *arguments = f"{name} {arguments[0]}", *arguments[1:]
        if name.split()[1] not in inner:
            return f"there is no command {name}"
        loaded = late_commands.load(name)
    context = loaded.context_class(loaded, info_name=name)
    try:
        loaded.make_parser(context).parse_args(args=arguments)
    except Exception as error:  # noqa: BLE001 - the parser's own, of the click that typer brings or another
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_mentioned_command_has_options_that_exist(page: Path) -> None:
    """Also those in tables and sentences, which may be too heavy to run."""
    found = {command: why_refused(command) for command in mentioned(page.read_text(encoding="utf-8"))}
    assert {command: why for command, why in found.items() if why} == {}


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_example_of_a_help_text_has_options_that_exist(name: str) -> None:
    loaded = late_commands.load(name)
    text = f"{loaded.help}\n{loaded.epilog or ''}".replace("\b", "")
    found = {command: why_refused(command) for command in mentioned(indent(text, "    "))}
    assert {command: why for command, why in found.items() if why} == {}


def test_an_option_that_does_not_exist_is_seen() -> None:
    assert why_refused("convbench run --model lenet5 --batch 1,8") is None
    assert "--btach" in (why_refused("convbench run --btach 8") or "")
    assert "no command" in (why_refused("convbench rum") or "")
    assert mentioned("See `convbench list axes`:\n    convbench doctor") == [
        "convbench list axes",
        "convbench doctor",
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_programs(page: str, tmp_path: Path) -> None:
    """The blocks of a page, one after the other as one program: they build on each other."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    (tmp_path / "program.py").write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_ci_runs_the_test_command_that_stands_here() -> None:
    commands = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)
    assert len(commands) == 2
    install, _, tests = commands[1].rpartition(" && ")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(part in script for part in [*install.split(" && "), tests])
