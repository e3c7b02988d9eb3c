"""Packages that are not ours under names of ours, and what is installed."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from bench.host import installed
from tests.planted.commands import ROOT


def test_ours_are_not_foreign_and_nothing_else_has_written_into_them() -> None:
    assert list(installed.foreign_packages()) == []
    assert list(installed.mixed_packages()) == []


def test_a_package_that_comes_first_on_the_path_is_named_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "__init__.py").touch()
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from bench.host import installed\n"
        f"sys.path.insert(0, {str(tmp_path)!r}); print(*installed.foreign_packages(), sep='|')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == (
        f"the package reports that Python finds is not convbench's: {tmp_path / 'reports'}"
    )


@pytest.mark.parametrize("layout", ["package", "module", "namespace"])
def test_a_foreign_package_is_noticed_in_every_form(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By asking for ours somewhere else than where they are."""
    if layout == "package":
        (tmp_path / "bench").mkdir()
        (tmp_path / "bench" / "__init__.py").touch()
    elif layout == "module":
        (tmp_path / "bench.py").touch()
    else:
        (tmp_path / "bench").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [importlib.machinery.PathFinder])
    for name in installed.OWN:
        monkeypatch.delitem(sys.modules, name)
    assert [sentence.rpartition(": ")[0] for sentence in installed.foreign_packages(ROOT)] == [
        "the package bench that Python finds is not convbench's"
    ]


def test_a_distribution_that_has_written_into_our_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "bench-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench\nVersion: 2.0\n")
    (info / "RECORD").write_text("bench/__init__.py,,\nbench/other.py,,\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert list(installed.mixed_packages()) == [
        f"the package bench is also a part of bench: {tmp_path / 'bench'}"
    ]


def test_versions_of_what_is_installed_and_of_what_is_not() -> None:
    assert installed.version_of("torch") == importlib.metadata.version("torch")
    assert installed.version_of("convbench-that-nobody-made") is None
