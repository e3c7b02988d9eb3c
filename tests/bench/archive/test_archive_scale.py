"""Five years of nights: adding one more, and the index. In CPU time: other work does not move it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.archive import archive_folder, archive_index, entries
from bench.archive.archive_index import INDEX
from tests.planted import planted_nights
from tests.planted.planted_nights import PlantedNights

ADD_SECONDS, REBUILD_SECONDS = 1.0, 60.0
WHOLE_RUN_SAMPLES = 250
"""Of a process: such a run takes 1.3 MB, as real ones of 40 cases and 5 processes do."""


def archive_of(folder: Path, planted: PlantedNights) -> Path:
    for _, run in planted_nights.runs(planted, folder / "runs"):
        entries.add(folder / "archive", run, "nightly")
        shutil.rmtree(run)
    return folder / "archive"


def cpu_seconds_of_one_more(folder: Path, archive: Path) -> float:
    planted = PlantedNights(nights=1, samples=WHOLE_RUN_SAMPLES, seed=2)
    ((_, run),) = planted_nights.runs(planted, folder / "more")
    began = time.process_time()
    entries.add(archive, run, "nightly")
    archive_index.listed(archive)
    return time.process_time() - began


def cpu_seconds_of_rebuilding(archive: Path) -> float:
    (archive / INDEX).unlink()
    began = time.process_time()
    archive_index.listed(archive)
    return time.process_time() - began


def test_twenty_nights(tmp_path: Path) -> None:
    """A hundredth of five years takes no more than a tenth of what they may."""
    archive = archive_of(tmp_path, PlantedNights(nights=20, missing=frozenset({3, 4})))
    assert len(archive_folder.digests(archive)) == 18
    assert cpu_seconds_of_one_more(tmp_path, archive) < ADD_SECONDS
    before = archive_index.listed(archive)
    assert cpu_seconds_of_rebuilding(archive) < REBUILD_SECONDS / 10
    assert archive_index.listed(archive) == before
    assert sum(row.records for row in before.rows) == 19 * 200


@pytest.mark.scale
def test_five_years(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    archive = archive_of(tmp_path, PlantedNights(nights=1825))
    archive_index.listed(archive)
    adding = cpu_seconds_of_one_more(tmp_path, archive)
    rebuilding = cpu_seconds_of_rebuilding(archive)
    record_property("add_cpu_seconds", adding)
    record_property("rebuild_cpu_seconds", rebuilding)
    assert adding < ADD_SECONDS
    assert rebuilding < REBUILD_SECONDS
    assert sum(row.records for row in archive_index.listed(archive).rows) == 1826 * 200
