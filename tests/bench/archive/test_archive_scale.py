"""Five years of nights: adding one more, the index, and all series. In CPU time: other work does not move
it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.archive import archive_folder, archive_index, entries
from bench.archive.archive_index import INDEX
from tests.planted import archived_nights
from tests.planted.commands import ROOT
from tests.planted.planted_nights import PlantedNights

ADD_SECONDS, REBUILD_SECONDS, READ_SECONDS, READ_MIB = 1.0, 60.0, 1.0, 150.0
WHOLE_RUN_SAMPLES = 250
"""Of a process: such a run takes 1.3 MB, as real ones of 40 cases and 5 processes do."""


def cpu_seconds_of_one_more(folder: Path, archive: Path) -> float:
    planted = PlantedNights(nights=1, samples=WHOLE_RUN_SAMPLES, seed=2)
    ((_, run),) = archived_nights.runs(planted, folder / "more")
    began = time.process_time()
    entries.add(archive, run, "nightly")
    archive_index.listed(archive)
    return time.process_time() - began


def cpu_seconds_of_rebuilding(archive: Path) -> float:
    (archive / INDEX).unlink()
    began = time.process_time()
    archive_index.listed(archive)
    return time.process_time() - began


READS = """
import resource, sys, time
from pathlib import Path
from bench.archive import case_series
began = time.process_time()
found = case_series.read(Path(sys.argv[1]))
seconds = time.process_time() - began
mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(sum(len(each.points) for each in found.series), seconds, mib)
"""


def points_cpu_seconds_and_mib_of_reading(archive: Path) -> tuple[int, float, float]:
    """All series, in a process of their own. Its peak counts from that of the process which starts it."""
    done = subprocess.run([sys.executable, "-c", READS, archive], cwd=ROOT, capture_output=True, check=True)
    points, seconds, mib = done.stdout.split()
    return int(points), float(seconds), float(mib)


def test_twenty_nights(tmp_path: Path) -> None:
    """A hundredth of five years takes no more than a tenth of what they may."""
    archive = archived_nights.archive(PlantedNights(nights=20, missing=frozenset({3, 4})), tmp_path)
    assert len(archive_folder.digests(archive)) == 18
    assert cpu_seconds_of_one_more(tmp_path, archive) < ADD_SECONDS
    before = archive_index.listed(archive)
    assert cpu_seconds_of_rebuilding(archive) < REBUILD_SECONDS / 10
    assert archive_index.listed(archive) == before
    assert sum(row.records for row in before.rows) == 19 * 200
    points, reading, _ = points_cpu_seconds_and_mib_of_reading(archive)
    assert points == 19 * 40
    assert reading < READ_SECONDS / 10


@pytest.mark.scale
def test_five_years(five_years: Path, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    archive = shutil.copytree(five_years, tmp_path / "archive")
    archive_index.listed(archive)
    adding = cpu_seconds_of_one_more(tmp_path, archive)
    rebuilding = cpu_seconds_of_rebuilding(archive)
    record_property("add_cpu_seconds", adding)
    record_property("rebuild_cpu_seconds", rebuilding)
    points, reading, mib = points_cpu_seconds_and_mib_of_reading(archive)
    record_property("read_cpu_seconds", reading)
    record_property("read_mib", mib)
    assert points == 1826 * 40
    assert reading < READ_SECONDS
    assert mib < READ_MIB
    assert adding < ADD_SECONDS
    assert rebuilding < REBUILD_SECONDS
    assert sum(row.records for row in archive_index.listed(archive).rows) == 1826 * 200
