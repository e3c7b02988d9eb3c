"""The sessions: what `nox -l` says, and what each runs. No environment is made here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nox")

import noxfile
from tests.planted.commands import ROOT

USED = (
    *("environment", "bench", "compare", "report", "prior", "pytest_benchmark"),
    *("tests", "fast", "scale", "lint", "typing", "docs"),
)


def test_every_session_is_listed_and_explained_in_a_line() -> None:
    command = [sys.executable, "-m", "nox", "-l", "--noxfile", str(ROOT / "noxfile.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    listed = dict(re.findall(r"^[*-] (\w+) -> (.+)$", done.stdout, re.MULTILINE))
    assert set(listed) == set(USED)
    assert all(10 < len(line) < 110 for line in listed.values())


class Session:
    """Keeps what a session would run."""

    def __init__(self, *posargs: str) -> None:
        self.posargs = list(posargs)
        self.ran: list[tuple[str, ...]] = []

    def run(self, *command: str, **options: object) -> None:
        self.ran.append(command)


def ran(function: Any, *posargs: str) -> tuple[str, ...]:
    """What the session's Python is given."""
    session = Session(*posargs)
    function(session)
    ((python, *arguments),) = session.ran
    assert python == str(noxfile.PYTHON)
    return tuple(arguments)


def test_compare_hands_its_arguments_on() -> None:
    given = ("runs/1", "runs/2", "--margin", "3%", "--fail-on", "slower")
    assert ran(noxfile.compare, *given) == ("-m", "bench", "compare", *given)


def test_pytest_benchmark_measures_the_networks() -> None:
    command = ran(noxfile.pytest_benchmark, "-k", "lenet5", "--benchmark-autosave")
    assert command[:2] == ("-m", "pytest")
    assert command[2:] == (
        "bench/test_networks.py",
        "--benchmark-only",
        "-k",
        "lenet5",
        "--benchmark-autosave",
    )
    assert (ROOT / command[2]).exists()


def test_all_tests_run_unless_the_fast_ones_are_asked_for() -> None:
    assert ran(noxfile.tests, "-x") == ("-m", "pytest", "-x")
    assert ran(noxfile.fast, "-x") == ("-m", "pytest", "-m", "not slow", "-x")
    assert ran(noxfile.scale, "-x") == ("-m", "pytest", "-m", "scale", "-x")


def test_docs_gathers_the_pages_and_builds_strictly() -> None:
    session = Session()
    noxfile.docs(session)
    gather, build = session.ran
    assert gather[1:] == (".ci/docs_site.py", "build/pages")
    assert (ROOT / gather[1]).exists()
    assert build[1:] == ("-m", "mkdocs", "build", "--strict")
    assert "docs_dir: build/pages\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_the_prior_is_that_of_the_folders_that_are_named() -> None:
    given = ran(noxfile.prior, "runs/1", "runs/2")
    assert given[1:] == ("runs/1", "runs/2")
    assert (ROOT / given[0]).exists()


def test_bench_measures_into_the_first_free_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noxfile, "RUNS", tmp_path)
    (tmp_path / "1").mkdir()
    assert ran(noxfile.bench) == ("-m", "bench", "run", "--out", str(tmp_path / "2"))
    assert ran(noxfile.bench, "--model", "vgg16") == (
        *("-m", "bench", "run", "--model", "vgg16"),
        *("--out", str(tmp_path / "2")),
    )
    assert ran(noxfile.bench, "--out=mine") == ("-m", "bench", "run", "--out=mine")


def test_what_needs_the_environment_asks_for_it() -> None:
    for name in USED:
        required = getattr(noxfile, name).requires
        assert required == ([] if name == "environment" else ["environment"])
