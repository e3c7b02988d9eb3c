"""The page of a year and of five: in CPU time and peak memory of a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.planted.commands import ROOT

PAGE_SECONDS, PAGE_MIB = 5.0, 500.0
"""Of all 40 cases of five years."""

PROGRAM = r"""
import re, time
from pathlib import Path
from bench import cli
try:
    cli.main()
except SystemExit as done:
    assert done.code == 0, done.code
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
print(time.process_time(), int(peak[1]) / 1024)
"""


def cpu_seconds_and_mib(archive: Path, page: Path) -> tuple[float, float]:
    """Of `convbench trend`, Python's own start included."""
    words = ["trend", "--archive", str(archive), "--format", "html", "-o", str(page)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, mib = done.stdout.split()
    return float(seconds), float(mib)


@pytest.mark.slow
def test_a_year_takes_less_than_five_may(planted_year: Path, tmp_path: Path) -> None:
    seconds, mib = cpu_seconds_and_mib(planted_year, tmp_path / "page.html")
    assert seconds < PAGE_SECONDS
    assert mib < PAGE_MIB
    assert "</html>" in (tmp_path / "page.html").read_text()


@pytest.mark.scale
def test_five_years(five_years: Path, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    seconds, mib = cpu_seconds_and_mib(five_years, tmp_path / "page.html")
    record_property("trend_page_cpu_seconds", seconds)
    record_property("trend_page_mib", mib)
    assert seconds < PAGE_SECONDS
    assert mib < PAGE_MIB
