"""The sessions: what `nox -l` says, and what each runs. No environment is made here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nox")

from nox.command import CommandFailed

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
    """Keeps what a session would run, and ends its commands with `code`."""

    def __init__(self, *posargs: str, code: int = 0) -> None:
        self.posargs = list(posargs)
        self.ran: list[tuple[str, ...]] = []
        self.logged: list[str] = []
        self.code = code

    def run(self, *command: str, success_codes: Container[int] = (0,), **options: object) -> None:
        self.ran.append(command)
        if self.code not in success_codes:
            raise CommandFailed

    run_install = run

    def log(self, text: str) -> None:
        self.logged.append(text)

    def error(self, text: str) -> None:
        raise QuitError(text)


class QuitError(Exception):
    """What `session.error` raises."""


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


def test_a_file_takes_the_place_of_the_networks() -> None:
    command = ran(noxfile.pytest_benchmark, "bench/test_harness.py", "-k", "append")
    assert command[2:] == ("--benchmark-only", "bench/test_harness.py", "-k", "append")
    one_test = ran(noxfile.pytest_benchmark, "bench/test_harness.py::test_append")
    assert "bench/test_networks.py" not in one_test
    for words in (("-k", "docs"), ("-m", "bench"), ("--benchmark-storage", "runs")):
        assert "bench/test_networks.py" in ran(noxfile.pytest_benchmark, *words)
    assert "bench/test_networks.py" not in ran(noxfile.pytest_benchmark, "-x", "bench/test_harness.py")


@pytest.mark.parametrize("code", [2, 3, 130])
def test_bad_input_and_an_incomplete_run_keep_their_exit_code(code: int) -> None:
    with pytest.raises(SystemExit) as leaving:
        noxfile.bench(Session("--model", "nosuch", code=code))
    assert leaving.value.code == code


def test_what_failed_or_got_slower_is_a_failed_session() -> None:
    with pytest.raises(CommandFailed):
        noxfile.compare(Session("runs/1", "runs/2", "--fail-on", "slower", code=1))


def test_nox_itself_ends_with_the_code_of_the_command(tmp_path: Path) -> None:
    """A session alone, in an environment that exists."""
    nox = [sys.executable, "-m", "nox", "--noxfile", str(ROOT / "noxfile.py")]
    done = subprocess.run(
        [*nox, "-s", "report", "--", str(tmp_path / "none")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"CONVBENCH_PYTHON": sys.executable},
    )
    assert done.returncode == 2, done.stderr
    assert "nothing is installed" in done.stderr
    assert f"there is no directory '{tmp_path / 'none'}'" in done.stderr
    assert done.stdout == ""


def test_compare_without_folders_takes_the_last_two_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noxfile, "RUNS", tmp_path)
    with pytest.raises(QuitError, match="compare needs two runs"):
        noxfile.compare(Session())
    for number in (2, 9, 10):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "records.jsonl").touch()
    (tmp_path / "11").mkdir()  # without a record
    last = (str(tmp_path / "9"), str(tmp_path / "10"))
    assert ran(noxfile.compare) == ("-m", "bench", "compare", *last)
    assert ran(noxfile.compare, "--margin", "3%") == ("-m", "bench", "compare", *last, "--margin", "3%")
    assert ran(noxfile.compare, "runs/7") == ("-m", "bench", "compare", "runs/7")
    sides = ("--base", "a", "--new", "b")
    assert ran(noxfile.compare, *sides) == ("-m", "bench", "compare", *sides)


@pytest.fixture
def fresh_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A noxfile whose environment does not exist."""
    for name in ("CONVBENCH_PYTHON", "CONVBENCH_TORCH"):
        monkeypatch.delenv(name, raising=False)
    shared = tmp_path / "environment"
    monkeypatch.setattr(noxfile, "SHARED", shared)
    monkeypatch.setattr(noxfile, "PYTHON", shared / "bin" / "python")
    monkeypatch.setattr(noxfile, "GIVEN", None)
    return shared


def installed_by(shared: Path, *posargs: str) -> list[tuple[str, ...]]:
    """What the session `environment` runs; the interpreter exists afterwards, as if it had been made."""
    session = Session(*posargs)
    shared.mkdir(exist_ok=True)
    noxfile.environment(session)
    (shared / "bin").mkdir(exist_ok=True)
    (shared / "bin" / "python").touch()
    return session.ran


def test_the_environment_is_installed_once_and_upgraded_when_asked(fresh_clone: Path) -> None:
    venv, pip = installed_by(fresh_clone)
    assert venv[1:3] == ("-m", "venv")
    assert pip[1:4] == ("-m", "pip", "install")
    assert pip[-1] == ".[dev,docs]"
    assert installed_by(fresh_clone) == []
    ((*_, strategy, _, _),) = installed_by(fresh_clone, "--upgrade")
    assert strategy == "eager"


def test_what_was_not_installed_is_installed_the_next_time(
    fresh_clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Session(code=1)
    fresh_clone.mkdir()
    with pytest.raises(CommandFailed):
        noxfile.environment(failing)
    assert installed_by(fresh_clone)


def test_install_only_installs(fresh_clone: Path) -> None:
    """nox skips `run` under --install-only, and not `run_install`."""

    class InstallOnly(Session):
        run_install = Session.run

        def run(self, *command: str, **options: object) -> None:
            raise AssertionError("skipped under --install-only")

    session = InstallOnly()
    fresh_clone.mkdir()
    noxfile.environment(session)
    assert len(session.ran) == 2


def test_torch_without_cuda_comes_from_its_own_index(
    fresh_clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVBENCH_TORCH", "cpu")
    _, pip = installed_by(fresh_clone)
    assert "https://download.pytorch.org/whl/cpu" in pip
    monkeypatch.setenv("CONVBENCH_TORCH", "rocm")
    with pytest.raises(QuitError, match="must be cpu or cuda, got 'rocm'"):
        installed_by(fresh_clone)


def test_an_environment_that_exists_is_used_as_it_is(
    fresh_clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noxfile, "GIVEN", "/opt/torch/bin/python")
    session = Session()
    noxfile.environment(session)
    assert session.ran == []
    assert "/opt/torch/bin/python" in session.logged[0]


def test_arguments_go_to_one_pytest() -> None:
    assert ran(noxfile.tests, "-x") == ("-m", "pytest", "-x")
    assert ran(noxfile.fast, "-x") == ("-m", "pytest", "-m", "not slow", "-x")
    assert ran(noxfile.scale, "-x") == ("-m", "pytest", "-m", "scale", "-x")


def test_all_tests_are_two_passes_and_the_second_runs_whatever_the_first_one_found() -> None:
    parallel = ("-m", "pytest", "-n", "2", "--dist", "loadfile", "-m", "not alone")
    alone = ("-m", "pytest", "-m", "alone")
    session = Session()
    noxfile.tests(session)
    assert [arguments for _, *arguments in session.ran][1:] == [[*parallel], [*alone]]

    class FirstFails(Session):
        def run(self, *command: str, success_codes: Container[int] = (0,), **options: object) -> None:
            super().run(*command, success_codes=success_codes, **options)
            if "not alone" in command:
                raise CommandFailed

    failing = FirstFails()
    with pytest.raises(CommandFailed):
        noxfile.tests(failing)
    assert failing.ran == session.ran


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
