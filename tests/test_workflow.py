"""The workflows for a code host: they parse, ask for no more than they need, and call what exists."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml")

import yaml

from bench import cli
from bench.cli import late_commands
from tests.planted.commands import ROOT

Workflow = dict[Any, Any]
WORKFLOWS: dict[str, Workflow] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
ON = True
"""YAML 1.1 reads the key `on` as a boolean."""


def jobs() -> Iterator[tuple[str, Workflow]]:
    for name, workflow in WORKFLOWS.items():
        for key, job in workflow["jobs"].items():
            yield f"{name}.{key}", job


JOBS = dict(jobs())
STEPS = {f"{job}.{number}": step for job in JOBS for number, step in enumerate(JOBS[job]["steps"])}
SCRIPTS = {name: step["run"] for name, step in STEPS.items() if "run" in step}


def commands(script: str) -> list[list[str]]:
    """The arguments of every call of convbench in a shell script."""
    lines = script.replace("\\\n", " ").splitlines()
    words = [shlex.split(line) for line in lines if "bin/convbench" in line]
    return [line[1:] for line in words if Path(line[0]).name == "convbench"]


COMMANDS = [command for script in SCRIPTS.values() for command in commands(script)]


def test_pushes_are_tested_and_pull_requests_compared() -> None:
    assert "push" in WORKFLOWS["tests"][ON]
    assert SCRIPTS["tests.tests.2"] == ".ci/run"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
    assert "pull_request" in WORKFLOWS["compare"][ON]
    assert [command[0] for command in COMMANDS] == ["ab"]


@pytest.mark.parametrize(("entry", "table"), [(False, "older than wire 1"), (True, "measured ab")])
def test_a_base_that_cannot_talk_is_not_compared(tmp_path: Path, entry: bool, table: str) -> None:
    """The sentence stands where the table would: in the summary and in the comment."""
    (measuring,) = (script for script in SCRIPTS.values() if commands(script))
    for name, text in (
        ("base/bin/python", f'[ "$*" = "-P -c import bench.entry" ] && {str(entry).lower()}'),
        ("new/bin/convbench", 'echo "measured $1"'),
    ):
        program = tmp_path / name
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    environment = {**os.environ, "RUNNER_TEMP": str(tmp_path)}
    subprocess.run(["bash", "-e", "-c", measuring], env=environment, check=True)
    assert table in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_and_options_exist(command: list[str]) -> None:
    assert command[0] in cli.COMMANDS
    accepted = {option for parameter in late_commands.load(command[0]).params for option in parameter.opts}
    given = {word.partition("=")[0] for word in command if word.startswith("--")}
    assert given
    assert given <= accepted


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    assert "concurrency" in WORKFLOWS[name]
    # It would run what a fork sends with the permissions of this repository.
    assert "pull_request_target" not in WORKFLOWS[name][ON]


@pytest.mark.parametrize("name", JOBS)
def test_what_may_write_runs_nothing_of_the_pull_request(name: str) -> None:
    job = JOBS[name]
    assert job["timeout-minutes"] <= 120
    if "permissions" not in job:
        return
    assert job["permissions"] == {"pull-requests": "write"}
    assert "head.repo.full_name == github.repository" in job["if"]
    used = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
    assert used == ["actions/download-artifact"]


@pytest.mark.parametrize("name", STEPS)
def test_actions_are_pinned_and_leave_no_token_behind(name: str) -> None:
    step = STEPS[name]
    if "uses" in step:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
    if step.get("uses", "").startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_value_from_outside_is_pasted_into_a_script(name: str) -> None:
    assert "${{" not in SCRIPTS[name]
