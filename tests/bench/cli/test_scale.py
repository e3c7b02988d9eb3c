"""`convbench scale` from the command to its run folder, on two ranks of this machine's cores."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from bench.child import worker
from bench.host.cpu_cores import usable_cores
from bench.schema.case import Case
from bench.schema.job import encode
from bench.schema.record import Record
from bench.store import read_records
from tests.planted.commands import ROOT, Command, is_one_sentence

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(usable_cores() < 2, reason="two ranks need a core each"),
]

DYING = """
import os, signal
from torch import nn

class Dying(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3 * 8 * 8, 10)

    def forward(self, images):
        if os.environ["RANK"] == "1":
            print("the last words", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return self.linear(images.flatten(1))

def build(num_classes=10):
    return Dying()
"""


HANGING = """
import os, pathlib, time
from torch import nn

class Hanging(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3 * 8 * 8, 10)

    def forward(self, images):
        if os.environ["WORLD_SIZE"] == "2":
            pathlib.Path("{pids}", str(os.getpid())).touch()
            time.sleep(1000)
        return self.linear(images.flatten(1))

def build(num_classes=10):
    return Hanging()
"""


def _records(folder: Path) -> Sequence[Record]:
    return list(read_records(folder / "records.jsonl"))


def test_one_and_two_ranks_are_measured_and_reported(command_line: Command, tmp_path: Path) -> None:
    """Each rank says where it ran and how long its steps took; no log is left, and `run --resume` has nothing
    to do."""
    out = tmp_path / "run"
    options = ("--ranks", "1,2", "--strategy", "hybrid-2014", "--batch", 8, "--replicates", 1)
    answer = command_line("scale", "lenet5", *options, "--target-ci", "30%", "--out", out)
    assert answer.code == 0, answer.err
    by_ranks = {record.case.ranks: record for record in _records(out)}
    assert {ranks: len(record.ranks) for ranks, record in by_ranks.items()} == {1: 1, 2: 2}
    two = by_ranks[2]
    assert [rank.rank for rank in two.ranks] == [0, 1]
    assert {rank.threads for rank in two.ranks} == {1}
    assert not set(two.ranks[0].cores) & set(two.ranks[1].cores)
    assert {len(rank.step_seconds) == len(rank.pair_quiet_seconds) > 0 for rank in two.ranks} == {True}
    assert {each.what for each in two.traffic} >= {"gradients of the convolutions", "scores"}
    assert {each.collective for each in two.links} >= {each.collective for each in two.traffic}
    assert list((out / "logs").glob("*")) == []
    again = command_line("run", "--resume", "--dry-run", "--out", out)
    assert again.code == 0, again.err


def test_a_rank_that_dies_makes_a_record_with_its_number_and_last_line(
    command_line: Command, tmp_path: Path
) -> None:
    network, out = tmp_path / "net.py", tmp_path / "run"
    network.write_text(DYING)
    options = ("--ranks", "2", "--image", 8, "--classes", 10, "--batch", 4, "--replicates", 1)
    answer = command_line("scale", f"{network}:build", *options, "--out", out)
    assert answer.code == 1
    (record,) = _records(out)
    assert record.status == "crashed"
    assert record.reason == "rank 1 was killed by SIGKILL (during: building): the last words"
    assert len(list((out / "logs").glob("*.rank1.log"))) == 1


def test_a_torch_without_the_backend_is_refused_before_anything_runs(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By gloo here, as by nccl on GPUs: one sentence, and no record."""
    monkeypatch.setattr("torch.distributed.is_gloo_available", lambda: False)
    monkeypatch.setattr("bench.runner.questions._ask_torch", _in_this_process)
    out = tmp_path / "run"
    answer = command_line("scale", "lenet5", "--ranks", "1,2", "--replicates", 1, "--out", out)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "ranks on cpu need gloo, and this torch was built without it" in answer.err
    assert not (out / "records.jsonl").exists()


def _in_this_process(cases: list[Case], server: object) -> list[str | None]:
    return msgspec.json.decode(worker.why_unusable(encode(cases)), type=list[str | None])


def test_an_interrupted_run_leaves_no_rank_and_is_resumed(command_line: Command, tmp_path: Path) -> None:
    """Ctrl-C while two ranks hang: what was not done is still to do."""
    network, out, pids = tmp_path / "net.py", tmp_path / "run", tmp_path / "pids"
    pids.mkdir()
    network.write_text(HANGING.format(pids=str(pids)))
    options = ("--ranks", "2", "--image", "8", "--classes", "10", "--batch", "4", "--replicates", "1")
    words = ["scale", f"{network}:build", *options, "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "convbench", *words], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as command:
        _wait(lambda: len(list(pids.iterdir())) == 2, 120.0)
        command.send_signal(signal.SIGINT)
        assert command.wait(60) == 130
    assert not any(Path(f"/proc/{each.name}").exists() for each in pids.iterdir())
    again = command_line(*words, "--resume", "--dry-run")
    assert again.code == 0, again.err
    assert "1 case, 1 process" in again.out


def _wait(is_so: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
