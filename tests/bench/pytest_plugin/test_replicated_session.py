"""Sessions of a suite outside of this repository: processes kept, compared and judged; a session killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.store import RECORDS, read_records
from tests.planted.commands import ROOT

pytestmark = pytest.mark.slow

SUITE = """
import pytest

@pytest.mark.convbench(max_seconds=60.0)
@pytest.mark.parametrize("phase", ["forward", "step"])
def test_network(convbench, phase):
    found = convbench("lenet5", workload="training", phase=phase)
    assert found.processes == 1 and len(found.samples) == 1 and found.flops > 0 and found.peak_bytes > 0

def test_module(convbench):
    import torch
    convbench(torch.nn.Linear(2, 2), inputs=torch.zeros(1, 2))
"""
BRIEF = ("--benchmark-max-time=0.001", "--benchmark-min-rounds=3")


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *BRIEF, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def session(folder: Path, *arguments: str, code: int) -> str:
    """What it prints, in one line."""
    running = started(folder, *arguments)
    said, _ = running.communicate(timeout=300)
    assert running.returncode == code, said
    return " ".join(said.split())


def test_replicates_are_kept_compared_and_judged(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    said = session(tmp_path, "--convbench-replicates=1", "--convbench-compare", code=4)
    assert "no run is kept in" in said
    said = session(tmp_path, "--convbench-replicates=1", "--benchmark-autosave", code=1)
    kept = tmp_path / ".benchmarks" / "convbench"
    (record,) = read_records(kept / "0001" / RECORDS)  # both phases are of one process
    assert record.status == "ok"
    assert "convbench: 1 case, 1 process, about" in said
    assert "name it as FILE.py:FUNCTION" in said
    assert "2 passed" in said
    (saved,) = tmp_path.glob(".benchmarks/*/0001_*.json")
    rows = json.loads(saved.read_text(encoding="utf-8"))["benchmarks"]
    assert {row["extra_info"]["interval_scope"] for row in rows} == {"across-processes"}

    gate = ("--convbench-compare", "--convbench-fail-on=inconclusive", "-k", "step")
    said = session(tmp_path, "--convbench-replicates=1", *gate, code=1)
    assert (kept / "0002" / RECORDS).exists()
    assert "Gate --fail-on inconclusive: FAIL (exit 1)" in said
    assert "convbench: gate: LeNet-5 training, batch 1 is inconclusive: one process on a side" in said
    assert [folder.parent.name for folder in kept.glob("*/base.txt")] == [
        "0001"
    ]  # a retry compares with it too


def test_a_session_that_is_terminated_keeps_what_it_has_measured(tmp_path: Path) -> None:
    waits = (
        "import time\ndef test_a(convbench):\n    convbench('lenet5')\ndef test_b():\n    time.sleep(100)\n"
    )
    (tmp_path / "test_suite.py").write_text(waits, encoding="utf-8")
    running = started(tmp_path, "--benchmark-json=kept.json", "--benchmark-autosave")
    kept = tmp_path / "kept.json"
    for _ in range(1800):
        if kept.exists():
            break
        time.sleep(0.1)
    assert len(json.loads(kept.read_text(encoding="utf-8"))["benchmarks"]) == 1  # before the end
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM, said
    assert "finished benchmarks are saved" in said
    (saved,) = tmp_path.glob(".benchmarks/*/*.json")
    for file in (kept, saved):
        (benchmark,) = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
        assert benchmark["stats"]["rounds"] >= 3
