"""The wheel, built and installed into a folder, without what it depends on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.planted.commands import ROOT


def install(folder: Path) -> Path:
    """A folder for PYTHONPATH."""
    source = folder / "source"  # a copy: building leaves its folders where it is started
    for package in ("bench", "models", "reports"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    shutil.copytree(ROOT / "convbench-stubs", source / "convbench-stubs")
    for name in ("convbench.py", "convbench_pytest.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("convbench-*.whl")
    target = folder / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target
