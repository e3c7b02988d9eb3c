"""Sessions: `nox -l` lists them. All of them share one environment, which the session `environment` makes.

PyTorch with CUDA is several gigabytes, so an environment for each session would cost minutes and disk.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests"]

ROOT = Path(__file__).parent
SHARED = ROOT / ".venv-nox"
PYTHON = SHARED / "bin" / "python"
RUNS = ROOT / "runs"


@nox.session
def environment(session: nox.Session) -> None:
    """Make the shared environment, or bring it up to date when pyproject.toml changed."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = SHARED / "installed"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        session.log("the shared environment is up to date")
        return
    if not PYTHON.exists():
        session.run(sys.executable, "-m", "venv", str(SHARED), external=True)
    session.run(str(PYTHON), "-m", "pip", "install", "-q", "-e", ".[dev,docs]", external=True)
    stamp.write_text(wanted)


def _python(session: nox.Session, *arguments: str, success_codes: tuple[int, ...] = (0,)) -> None:
    session.run(str(PYTHON), *arguments, external=True, success_codes=success_codes)


@nox.session(requires=["environment"])
def bench(session: nox.Session) -> None:
    """The main job: the quick suite into runs/, and its report; arguments go to `convbench run`."""
    arguments = list(session.posargs)
    if not any(argument == "--out" or argument.startswith("--out=") for argument in arguments):
        arguments += ["--out", str(_next_folder())]
    _python(session, "-m", "bench", "run", *arguments)


def _next_folder() -> Path:
    """runs/1, runs/2, ...: the first that does not exist."""
    number = 1
    while (RUNS / str(number)).exists():
        number += 1
    return RUNS / str(number)


@nox.session(requires=["environment"])
def report(session: nox.Session) -> None:
    """Print the report of run folders; arguments go to `convbench report`."""
    _python(session, "-m", "bench", "report", *session.posargs)


@nox.session(requires=["environment"])
def compare(session: nox.Session) -> None:
    """Faster, slower or equivalent: BASE NEW, two run folders; arguments go to `convbench compare`."""
    _python(session, "-m", "bench", "compare", *session.posargs)


@nox.session(requires=["environment"])
def pytest_benchmark(session: nox.Session) -> None:
    """The quick suite under pytest-benchmark; arguments go to pytest, such as --benchmark-autosave."""
    _python(session, "-m", "pytest", "bench/test_networks.py", "--benchmark-only", *session.posargs)


@nox.session(requires=["environment"])
def tests(session: nox.Session) -> None:
    """All tests; arguments go to pytest."""
    _python(session, "-m", "pytest", *session.posargs)


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
