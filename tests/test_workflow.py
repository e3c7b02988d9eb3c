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
WITH_A_TOKEN = ("actions/attest-build-provenance", "pypa/gh-action-pypi-publish")
"""Actions that ask the code host for a token of this workflow's identity."""
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
    assert [command[0] for command in COMMANDS] == ["ab", "selftest", "run"]


@pytest.mark.parametrize(("entry", "table"), [(False, "older than wire 1"), (True, "measured ab")])
def test_a_base_that_cannot_talk_is_not_compared(tmp_path: Path, entry: bool, table: str) -> None:
    """The sentence stands where the table would: in the summary and in the comment."""
    (measuring,) = (
        text for name, text in SCRIPTS.items() if name.startswith("compare.ab") and commands(text)
    )
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


WRITERS = {
    "compare.comment": {"pull-requests": "write"},
    "release.attest": {"id-token": "write", "attestations": "write"},
    "release.publish": {"id-token": "write"},
    "release.release": {"contents": "write"},
}
"""The jobs that may do more than read, and what. None checks out or installs anything."""


@pytest.mark.parametrize("name", JOBS)
def test_what_may_write_runs_nothing_of_the_pull_request(name: str) -> None:
    job = JOBS[name]
    assert job["timeout-minutes"] <= 120
    assert job.get("permissions") == WRITERS.get(name)
    if name not in WRITERS:
        return
    used = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
    assert used[0] == "actions/download-artifact"
    assert set(used) <= {"actions/download-artifact", *WITH_A_TOKEN}
    assert not any(word in step.get("run", "") for step in job["steps"] for word in ("pip", "python", "nox"))


def test_only_a_branch_of_this_repository_gets_a_comment() -> None:
    assert "head.repo.full_name == github.repository" in JOBS["compare.comment"]["if"]


def test_only_a_tag_is_released_and_only_after_all_checks() -> None:
    assert WORKFLOWS["release"][ON] == {"push": {"tags": ["v*"]}}
    order = ("tests", "build", "attest", "publish", "release")
    assert [JOBS[f"release.{name}"].get("needs") for name in order] == [None, *order[:-1]]
    assert JOBS["release.publish"]["environment"] == "pypi"
    building = " ".join(text for name, text in SCRIPTS.items() if name.startswith("release.build"))
    assert all(
        check in building for check in ("release_notes.py", 'twine" check --strict', "selftest --device cpu")
    )
    assert JOBS["release.tests"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize("name", STEPS)
def test_actions_are_pinned_and_leave_no_token_behind(name: str) -> None:
    step = STEPS[name]
    if "uses" in step:
        action, _, commit = step["uses"].partition("@")
        assert action.startswith("actions/") or action in WITH_A_TOKEN
        assert re.fullmatch("[0-9a-f]{40}", commit)
    if step.get("uses", "").startswith("actions/checkout@"):
        assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_value_from_outside_is_pasted_into_a_script(name: str) -> None:
    assert "${{" not in SCRIPTS[name]
