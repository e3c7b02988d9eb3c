"""Sessions: `nox -l` lists them. All of them share one environment, which the session `environment` makes.

PyTorch with CUDA is several gigabytes, so an environment for each session would cost minutes and disk. nox's
own options for environments (`-p`, `-r`, `--no-venv`) therefore change nothing here; these variables do:

CONVBENCH_PYTHON  the interpreter of an environment that has convbench: nothing is installed
CONVBENCH_TORCH   `cpu`: PyTorch without CUDA, a tenth of the size
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests"]

ROOT = Path(__file__).parent
SHARED = ROOT / ".venv-nox"
GIVEN = os.environ.get("CONVBENCH_PYTHON")
PYTHON = Path(GIVEN) if GIVEN else SHARED / "bin" / "python"
RUNS = ROOT / "runs"

_WITH_VALUE = {
    *("-k", "-m", "-n", "-p", "-c", "-o", "-W", "--rootdir", "--ignore", "--deselect", "--basetemp"),
    *("--benchmark-storage", "--benchmark-json", "--convbench-out", "--convbench-compare"),
}
"""Options of pytest whose value may also be the name of a file here."""

SECONDS_TO_STOP = 15.0
"""After Ctrl-C: convbench keeps what it has measured, ends its processes and says how to continue."""


@nox.session
def environment(session: nox.Session) -> None:
    """Make or update the shared environment; `-- --upgrade` installs newer packages."""
    if GIVEN:
        session.log(f"using {GIVEN} (CONVBENCH_PYTHON); nothing is installed")
        return
    torch = os.environ.get("CONVBENCH_TORCH", "cuda")
    if torch not in ("cpu", "cuda"):
        session.error(f"CONVBENCH_TORCH must be cpu or cuda, got {torch!r}")
    upgrade = session.posargs == ["--upgrade"]
    wanted = hashlib.sha256(
        (ROOT / "pyproject.toml").read_bytes() + (b"cpu" if torch == "cpu" else b"")
    ).hexdigest()
    stamp = SHARED / "installed"
    if not upgrade and PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        session.log("the shared environment is up to date")
        return
    # `run_install`, since `run` does nothing under --install-only.
    if not PYTHON.exists():
        session.run_install(sys.executable, "-m", "venv", str(SHARED), external=True)
    size = "0.6 GB" if torch == "cpu" else "5 GB"
    session.log(f"installing PyTorch and the rest: up to {size}, a minute or more")
    index = ["--extra-index-url", "https://download.pytorch.org/whl/cpu"] if torch == "cpu" else []
    newer = ["--upgrade", "--upgrade-strategy", "eager"] if upgrade else []
    pip = [str(PYTHON), "-m", "pip", "install", "-q", *newer, *index, "-e", ".[dev,docs]"]
    session.run_install(*pip, external=True)
    stamp.write_text(wanted)


class _ExitCode(list[int]):
    """The codes of success: 0 alone. nox has no other way to tell with which code a command failed."""

    found = 0

    def __contains__(self, code: object) -> bool:
        assert isinstance(code, int)
        self.found = code
        return code == 0


def _python(session: nox.Session, *arguments: str) -> None:
    session.run(str(PYTHON), *arguments, external=True)


def _convbench(session: nox.Session, *arguments: str) -> None:
    """Run a command; nox exits with its code. nox itself would turn bad input (2) and an incomplete run (3)
    into 1, which means that something failed or got slower. `stderr=None`: nox would send progress and errors
    to standard output, which is the report's."""
    code = _ExitCode()
    command = [str(PYTHON), "-m", "bench", *arguments]
    try:
        session.run(
            *command, external=True, success_codes=code, stderr=None, interrupt_timeout=SECONDS_TO_STOP
        )
    except nox.command.CommandFailed:
        if code.found not in (2, 3, 130):
            raise
        sys.exit(code.found)


@nox.session(requires=["environment"])
def bench(session: nox.Session) -> None:
    """The main job: the quick suite into runs/, and its report; arguments go to `convbench run`."""
    arguments = list(session.posargs)
    if not any(argument == "--out" or argument.startswith("--out=") for argument in arguments):
        arguments += ["--out", str(_next_folder())]
    _convbench(session, "run", *arguments)


def _next_folder() -> Path:
    """runs/1, runs/2, ...: the first that does not exist."""
    number = 1
    while (RUNS / str(number)).exists():
        number += 1
    return RUNS / str(number)


@nox.session(requires=["environment"])
def report(session: nox.Session) -> None:
    """Print the report of run folders; arguments go to `convbench report`."""
    _convbench(session, "report", *session.posargs)


@nox.session(requires=["environment"])
def compare(session: nox.Session) -> None:
    """Faster, slower or equivalent: BASE NEW, by default the last two of runs/; or any arguments."""
    given = session.posargs
    named = any(each.startswith(("--base", "--new")) or Path(each).exists() for each in given)
    named = named or (bool(given) and not given[0].startswith("-"))  # a folder that is missing
    _convbench(session, "compare", *([] if named else _last_two(session)), *given)


def _last_two(session: nox.Session) -> list[str]:
    """The two runs of runs/ with the highest numbers, the older one first."""
    runs = [path for path in RUNS.glob("*") if path.name.isdecimal() and (path / "records.jsonl").exists()]
    last = sorted(runs, key=lambda path: int(path.name))[-2:]
    if len(last) < 2:
        session.error("compare needs two runs: measure with `nox -s bench`, or name them after --: BASE NEW")
    return [str(path) for path in last]


@nox.session(requires=["environment"])
def pytest_benchmark(session: nox.Session) -> None:
    """The quick suite under pytest-benchmark; arguments go to pytest: a file replaces the suite's."""
    default = [] if _paths(session.posargs) else ["bench/test_networks.py"]
    _python(session, "-m", "pytest", *default, "--benchmark-only", *session.posargs)


def _paths(arguments: list[str]) -> list[str]:
    """The files and folders among the arguments for pytest; `-k docs` names none."""
    before = ["", *arguments]
    return [
        argument
        for option, argument in zip(before, arguments, strict=False)
        if option not in _WITH_VALUE and (ROOT / argument.partition("::")[0]).exists()
    ]


@nox.session(requires=["environment"])
def tests(session: nox.Session) -> None:
    """All tests: two files at a time, then those marked alone; with arguments for pytest in a single run."""
    if session.posargs:
        _python(session, "-m", "pytest", *session.posargs)
        return
    # Once, and not by each of a thousand processes where PYTHONDONTWRITEBYTECODE is set.
    _python(session, "-m", "compileall", "-q", "bench", "models", "reports")
    try:
        _python(session, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-m", "not alone")
    except nox.command.CommandFailed:
        _python(session, "-m", "pytest", "-m", "alone")  # its failures are of interest as well
        raise
    _python(session, "-m", "pytest", "-m", "alone")


@nox.session(requires=["environment"])
def fast(session: nox.Session) -> None:
    """Tests without the marker slow, in less than two minutes on two cores; arguments go to pytest."""
    _python(session, "-m", "pytest", "-m", "not slow", *session.posargs)


@nox.session(requires=["environment"])
def scale(session: nox.Session) -> None:
    """Tests with the marker scale, large simulations that no other session runs; arguments go to pytest."""
    _python(session, "-m", "pytest", "-m", "scale", *session.posargs)


@nox.session(requires=["environment"])
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site; a dead link fails."""
    _python(session, ".ci/docs_site.py", "build/pages")
    _python(session, "-m", "mkdocs", "build", "--strict")


@nox.session(requires=["environment"])
def prior(session: nox.Session) -> None:
    """Print the constants of the published prior that run folders show; arguments are these folders."""
    _python(session, "examples/refit_prior.py", *session.posargs)


@nox.session(requires=["environment"])
def lint(session: nox.Session) -> None:
    """ruff's rules and format, and who may import whom."""
    _python(session, "-m", "ruff", "check", ".")
    _python(session, "-m", "ruff", "format", "--check", ".")
    session.run(str(PYTHON.with_name("lint-imports")), external=True)


@nox.session(requires=["environment"])
def typing(session: nox.Session) -> None:
    """mypy, strict."""
    _python(session, "-m", "mypy")
