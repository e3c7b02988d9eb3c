"""Processes add, read, label, answer, prune and rebuild at once, and are killed: no answer is wrong."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec import structs

from bench.archive import acknowledged, archive_folder, archive_index, case_series, entries
from bench.schema.case import Case
from tests.planted import planted_records
from tests.planted.commands import ROOT

NIGHTS = 10
SECONDS = 3.0
_ADD = "entries.add(archive, draw.choice(runs), 'nightly')"
_REBUILD = "archive_index.rebuild(archive)"
_LABEL = """
digest = draw.choice(sorted(archive_folder.digests(archive)))
labels.relabel(archive, [digest], draw.choice(("nightly", "hand")))
"""
_PRUNE = "pruning.prune(archive, [str(draw.randrange(5, 15))]); time.sleep(0.1)"
_READ = """
for series in case_series.read(archive).series:
    nights = [run.at for run in series.runs]
    assert len(nights) == len(set(nights)), nights
"""
_ACKNOWLEDGE = """
name = f"change-{next(number)}"
acknowledged.acknowledge(archive, {name: Acknowledgement(case="", kind="", fingerprint="", what="step",
    run="", run_at="", by="me", acknowledged_at="", why=name)})
print(name, flush=True)
"""
_LOOP = """
import itertools, random, sys, time
from pathlib import Path
from bench.archive import acknowledged, archive_folder, archive_index, case_series, entries, labels, pruning
from bench.schema.acknowledgement import Acknowledgement
from models.errors import UserError
archive, seed, end, *runs = sys.argv[1:]
archive, runs = Path(archive), list(map(Path, runs))
draw, number = random.Random(int(seed)), itertools.count()
while True:
    try:
        exec(what)
    except UserError as error:
        assert "no run" in str(error), error  # to be labeled: another process pruned it
    if time.time() > float(end):
        break
"""


def states(folder: Path) -> list[Path]:
    """Of each night a run that was added unfinished, and the same run resumed."""
    found = []
    for night in range(1, NIGHTS + 1):
        run = [
            structs.replace(each, started_at=f"2026-01-{night:02}T12:0{at}:00+00:00")
            for at, each in enumerate(planted_records.replicates(Case(model="vgg11"), [night / 100] * 3))
        ]
        found += [planted_records.write(folder / f"{night}-{many}", run[:many]) for many in (2, 3)]
    return found


def looping(what: str, archive: Path, seed: int, end: float, runs: list[Path]) -> subprocess.Popen[str]:
    code = f"what = {what!r}\n{_LOOP}"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(archive), str(seed), str(end), *map(str, runs)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_whoever_is_killed_no_reader_fails_and_nothing_is_lost(tmp_path: Path) -> None:
    runs, archive, draw = states(tmp_path), tmp_path / "archive", random.Random(3)
    entries.add(archive, runs[0], "nightly")
    end = time.time() + SECONDS
    killed = 0
    stay = [looping(what, archive, seed, end, runs) for seed, what in enumerate((_READ, _ACKNOWLEDGE))]
    others = [_ADD, _ADD, _REBUILD, _LABEL, _PRUNE]
    working = {at: looping(what, archive, at, end, runs) for at, what in enumerate(others)}
    while time.time() < end - 0.5:
        time.sleep(0.5)
        at = draw.randrange(len(others))
        working[at].send_signal(signal.SIGKILL)
        _, err = working[at].communicate()
        assert not err
        killed += 1
        working[at] = looping(others[at], archive, 100 + killed, end, runs)
    said = [process.communicate() for process in (*stay, *working.values())]
    assert [err for _, err in said if err] == []
    assert killed >= 3
    assert set(said[1][0].split()) <= acknowledged.read_all(archive).keys()
    assert len(said[1][0].split()) > 0
    for digest in archive_folder.digests(archive):
        assert entries.problems_of(archive, digest) == []
    for run in runs:
        entries.add(archive, run, "nightly")
    found = case_series.read(archive).series
    assert [len(series.runs) for series in found] == [NIGHTS]
    assert archive_index.listed(archive) == archive_index.rebuild(archive)
