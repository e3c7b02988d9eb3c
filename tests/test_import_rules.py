"""The import rules of pyproject.toml, shown on planted trees: what each of them is there to refuse.

A tree is this checkout's with one module more, and the linter that looks at it is the one that `nox -s lint`
runs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted.commands import ROOT
from tests.test_layout import PACKAGES

pytestmark = pytest.mark.slow

LINTER = Path(sys.executable).with_name("lint-imports")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and their rules; the linter keeps a cache beside them, for one graph each."""
    folder = tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "published")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(checkout: Path) -> tuple[int, str]:
    """The linter's exit code and what it prints."""
    done = subprocess.run([LINTER], cwd=checkout, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_checkout_keeps_its_rules(checkout: Path) -> None:
    code, said = lint(checkout)
    assert code == 0, said


@pytest.mark.parametrize(
    ("module", "text", "broken", "named"),
    [
        pytest.param("bench/stray.py", "", "bench: each package above", "stray", id="in-no-layer"),
        pytest.param("reports/stray.py", "", "reports: documents", "stray", id="in-no-layer-of-reports"),
        pytest.param("models/stray.py", "", "models: names, modules", "stray", id="in-no-layer-of-models"),
        pytest.param(
            "bench/stats/wishes.py",
            "from bench.plan import expand",
            "bench: each package above",
            "bench.stats is not allowed to import bench.plan",
            id="upwards",
        ),
        pytest.param(
            "bench/runner/hasty.py",
            "def late():\n    import torch",
            "Only what runs in a child imports torch",
            "bench.runner.hasty -> torch",
            id="torch-in-the-parent",
        ),
        pytest.param(
            "bench/runner/impatient.py",
            "from bench.child import worker",
            "bench: each package above",
            "bench.runner.impatient -> bench.child.worker",
            id="the-parent-imports-the-child",
        ),
        pytest.param(
            "bench/engines/jealous.py",
            "from bench.engines import eager",
            "Plug-ins of one kind",
            "bench.engines.jealous -> bench.engines.eager",
            id="a-plug-in-knows-another",
        ),
    ],
)
def test_a_planted_module_is_refused(checkout: Path, module: str, text: str, broken: str, named: str) -> None:
    planted = checkout / module
    planted.write_text(text)
    try:
        code, said = lint(checkout)
    finally:
        planted.unlink()
    assert code == 1, said
    assert named in said
    assert any(broken in line and "BROKEN" in line for line in said.splitlines()), said
