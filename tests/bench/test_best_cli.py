"""convbench best as a user meets it: a short search of LeNet-5, resumed; a sentence for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.store import RECORDS, read_records
from tests.commands import Command, is_one_sentence

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    *("best", "lenet5", "--device", "cpu", "--batch", "2", "--threads", "1"),
    *("--precision", "fp32", "--engine", "eager", "--budget", "20", "--no-ceilings"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layouts, pairs of the winner with its rival or with the plain one, and the outputs."""
    folder = tmp_path_factory.mktemp("best") / "run"
    command = [sys.executable, "-m", "bench", *TINY, "--out", str(folder), "--format", "json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    (folder / "answer.json").write_text(done.stdout)
    return folder


def test_every_candidate_is_tried_once_and_one_of_them_is_the_answer(folder: Path) -> None:
    records = list(read_records(folder / RECORDS))
    assert [record.status for record in records] == ["ok", "ok"]
    assert [record.case.layout for record in records] == ["nchw", "channels-last"]
    assert records[0].protocol.give_up_seconds is None
    assert records[1].protocol.give_up_seconds is not None
    rows = json.loads((folder / "answer.json").read_text())["rows"]
    assert sorted(row["layout"] for row in rows) == ["channels-last", "nchw"]
    assert [row["is_winner"] for row in rows].count(True) == 1
    assert all(row["images_per_second"] == pytest.approx(2 / row["seconds"]) for row in rows)


def test_the_report_stands_in_the_folder_and_scratch_does_not(folder: Path) -> None:
    report = (folder / "report.md").read_text()
    assert "## What was tried" in report
    assert "To repeat it: convbench run --model lenet5" in report
    assert "the same class for 64 of 64" in report
    assert {path.name for path in folder.iterdir()} & {"work", "caches"} == set()


def test_a_finished_search_is_resumed_without_trying_anything_again(folder: Path, convbench: Command) -> None:
    before = (folder / RECORDS).read_bytes()
    answer = convbench(*TINY, "--out", folder, "--resume", "--format", "json")
    assert answer.code == 0, answer.err
    assert (folder / RECORDS).read_bytes() == before


def test_a_used_folder_is_refused_without_resume(folder: Path, convbench: Command) -> None:
    answer = convbench(*TINY, "--out", folder)
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "holds a run already" in answer.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("vgg-61",), "did you mean"),
        (("lenet5", "--precision", "bf61"), "did you mean 'bf16'"),
        (("lenet5", "--workload", "inference,training"), "best takes one workload at a time, not 2"),
        (("lenet5", "--engine", "eager", "--tuning", "freezing"), "freezing is for engines that compile"),
        (("lenet5", "--precision", "tf32", "--device", "cpu"), "tf32 is a mode of NVIDIA GPUs"),
        (("lenet5", "--image", "8"), "nothing can be tried here"),
        (("lenet5", "--budget", "0"), "--budget takes a number above 0"),
        (("lenet5", "--format", "htm"), "unknown format"),
        (("lenet5", "--from", "/no/such/run"), "there is no directory"),
    ],
)
def test_bad_input_is_a_sentence_and_2(
    tmp_path: Path, convbench: Command, arguments: tuple[str, ...], problem: str
) -> None:
    answer = convbench("best", *arguments, "--out", tmp_path / "out")
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert problem in answer.err
    assert not (tmp_path / "out").exists()
