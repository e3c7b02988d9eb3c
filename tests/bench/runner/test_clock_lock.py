"""`--lock-clocks`: every command that measures locks the GPU's clock, gives it back, and records say so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

import convbench as api
from bench.devices import cuda
from bench.forkserver.client import Outcome
from bench.host import locked_clocks, nvml_driver
from bench.host.locked_clocks import LockMarker, markers
from bench.runner import case_server
from bench.runner.attempt import attempt
from bench.runner.clock_lock import clocks_locked
from bench.runner.run_options import RunOptions
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.job import JobResult, encode
from bench.schema.record import Record
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.commands import Command, is_one_sentence
from tests.planted.fake_nvml import FakeGpu, FakeNvml, no_driver

CASE = Case(model="lenet5", device="cuda", image=28, channels=1, classes=10, replicate=1)
ON_CUDA = ("--device", "cuda")
MEASURING = {
    "run": ("--model", "lenet5", *ON_CUDA),
    "time": ("lenet5", *ON_CUDA),
    "ab": (*("--model", "lenet5", *ON_CUDA, "--workload", "inference"), "--b", "engine=compile"),
    "best": ("lenet5", *ON_CUDA),
    "max-batch": ("lenet5", *ON_CUDA),
    "train": ("lenet5", *ON_CUDA),
    "layers": ("lenet5", *ON_CUDA),
    "ceilings": ON_CUDA,
    "ablate": ("kernels", *ON_CUDA, "--seeds", 0),
    "claims": ("--run", *ON_CUDA),
    "history": ("--run", *ON_CUDA),
}


class StartedError(Exception):
    """A server was started: with the clocks locked at these (MHz)."""

    def __init__(self, locked_at: list[int | None]) -> None:
        super().__init__()
        self.locked_at = locked_at


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[FakeGpu, FakeGpu]]:
    """Two equal GPUs of a machine on which no server starts, and a folder of this test's own for markers."""
    twins = FakeGpu("GPU-1111"), FakeGpu("GPU-2222", number=1)

    def start(**given: Any) -> None:
        raise StartedError([gpu.locked_at for gpu in twins])

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(nvml_driver, "open_nvml", lambda: FakeNvml(twins))
    monkeypatch.setattr(cuda.Cuda, "why_absent", lambda device: None)
    monkeypatch.setattr(case_server, "Server", start)
    yield twins
    assert [gpu.locked_at for gpu in twins] == [None, None]


@pytest.mark.parametrize("command", MEASURING)
def test_every_command_measures_under_the_lock_and_gives_it_back(
    command_line: Command, gpus: tuple[FakeGpu, FakeGpu], tmp_path: Path, command: str
) -> None:
    words = (command, *MEASURING[command], "--out", tmp_path / "out", "--lock-clocks", 1200)
    with pytest.raises(StartedError) as started:
        command_line(*words, "--gpu", 1)
    assert started.value.locked_at == [None, 1200]
    with pytest.raises(StartedError) as started:
        command_line(*words)
    assert started.value.locked_at == [1200, None]
    assert markers() == []


@pytest.mark.parametrize("command", ["run", "ab", "best", "max-batch"])
def test_without_the_right_it_is_said_in_one_sentence_and_nothing_is_written(
    command_line: Command, gpus: tuple[FakeGpu, FakeGpu], tmp_path: Path, command: str
) -> None:
    gpus[0].may_lock = "Insufficient Permissions"
    out = tmp_path / "out"
    answer = command_line(command, *MEASURING[command], "--out", out, "--lock-clocks", 1200)
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert "does not lock the clock of GPU-1111 (Insufficient Permissions)" in answer.err
    assert not (out / "records.jsonl").exists()
    assert markers() == []


@pytest.mark.usefixtures("gpus")
def test_without_a_gpu_it_is_said_in_one_sentence(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("run", "--model", "lenet5", "--out", tmp_path / "out", "--lock-clocks", 1200, "--device")
    answer = command_line(*words, "cpu")
    assert answer.code == 2
    assert answer.err.endswith("--lock-clocks needs cases on an NVIDIA GPU. Give --device cuda, or omit it\n")
    monkeypatch.setattr(nvml_driver, "open_nvml", no_driver)
    answer = command_line(*words, "cuda")
    assert answer.code == 2
    assert answer.err.endswith("--lock-clocks: no GPU found: NVML Shared Library Not Found\n")


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("mhz", ["0", "-5", "fast", "1200.5", "20000"])
def test_what_is_no_frequency_is_refused(command_line: Command, tmp_path: Path, mhz: str) -> None:
    answer = command_line("run", *MEASURING["run"], "--out", tmp_path / "out", f"--lock-clocks={mhz}")
    assert answer.code == 2
    assert is_one_sentence(answer.err)
    assert "--lock-clocks" in answer.err


def test_programs_lock_too(gpus: tuple[FakeGpu, FakeGpu], tmp_path: Path) -> None:
    with pytest.raises(StartedError) as started:
        api.run(out=tmp_path / "out", model="lenet5", device="cuda", lock_clocks_mhz=900)
    assert started.value.locked_at == [900, None]


def left_behind(uuid: str) -> None:
    """By a process whose number belongs to another by now."""
    marker = LockMarker(uuid=uuid, mhz=1200, pid=os.getpid(), started=time.time() - 1e6)
    locked_clocks._write(marker, locked_clocks.marker_folder())


@pytest.mark.usefixtures("gpus")
def test_after_a_kill_the_next_start_says_so_until_doctor_has_mended_it(
    command_line: Command, tmp_path: Path
) -> None:
    """Whether it asks for a lock or not; a run elsewhere has nothing to do with it."""
    left_behind("GPU-1111")
    words = ("run", *MEASURING["run"], "--out", tmp_path / "out")
    for more in ((), ("--lock-clocks", 1200), ("--gpu", 0)):
        answer = command_line(*words, *more)
        assert answer.code == 2
        assert is_one_sentence(answer.err)
        assert "killed left the SM clock of GPU-1111 locked at 1200 MHz" in answer.err
        assert "convbench doctor --unlock-clocks" in answer.err
    on_a_processor = ("run", "--model", "lenet5", "--device", "cpu", "--out", tmp_path / "out")
    for elsewhere in ((*words, "--gpu", 1), on_a_processor):
        with pytest.raises(StartedError):
            command_line(*elsewhere)
    answer = command_line("doctor", "--unlock-clocks")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.endswith("by a convbench that was killed, is given back.\n")
    with pytest.raises(StartedError):
        command_line(*words)
    assert (
        command_line("doctor", "--unlock-clocks").out == "convbench left no clocks locked on this machine.\n"
    )


def test_what_doctor_cannot_mend_is_a_failure(command_line: Command, gpus: tuple[FakeGpu, FakeGpu]) -> None:
    left_behind("GPU-1111")
    gpus[0].may_unlock = "Insufficient Permissions"
    answer = command_line("doctor", "--unlock-clocks")
    assert answer.code == 1
    assert "cannot be given back: Insufficient Permissions" in answer.out


def test_a_part_of_a_run_keeps_the_lock_of_the_whole(gpus: tuple[FakeGpu, FakeGpu]) -> None:
    """As the pairs of a search do."""
    options = RunOptions(lock_clocks_mhz=1200)
    with clocks_locked(options, [CASE]):
        with clocks_locked(options, [CASE]):
            assert gpus[0].locked_at == 1200
        assert gpus[0].locked_at == 1200


class Answering:
    """A server whose child gives back this record."""

    def __init__(self, record: Record) -> None:
        self._result = encode(JobResult(record=record, first_step_at=None))

    def run(self, question: str, argument: bytes, **given: Any) -> Outcome:
        return Outcome(kind="result", result=self._result, seconds=1.0)


def measured(tmp_path: Path, mhz: int | None) -> Record:
    found = planted_records.record(
        CASE, planted_records.time("forward", 0.1), environment=planted_records.GPU_MACHINE
    )
    return attempt(
        CASE,
        MeasurementProtocol(),
        planted_records.MACHINE,
        tmp_path,
        Answering(found),  # type: ignore[arg-type]
        options=RunOptions(lock_clocks_mhz=mhz),
    )


def test_a_record_says_at_what_the_clock_was_locked_and_is_not_pooled_with_others(tmp_path: Path) -> None:
    records = [
        structs.replace(measured(tmp_path, mhz), case=structs.replace(CASE, replicate=number))
        for number, mhz in enumerate((None, 1200, 1200), start=1)
    ]
    gpus_seen = [record.environment and record.environment.gpu for record in records]
    assert [gpu and gpu.locked_clocks_mhz for gpu in gpus_seen] == [None, 1200, 1200]
    assert msgspec.json.decode(msgspec.json.encode(records[1]), type=Record) == records[1]
    figures = summarise([planted_records.write(tmp_path / "run", records)]).figures
    assert sorted(len(figure.medians) for figure in figures if figure.metric == "wall_time") == [1, 2]
