"""`--gpu`: every command that measures hands the chosen GPU to its children, or says which there are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import convbench as api
from bench import selftest
from bench.cli import options
from bench.devices import cuda
from bench.host import nvml_driver
from bench.runner import case_server
from bench.runner.case_server import server_for
from bench.schema.case import Case
from models.errors import UserError
from tests.planted.commands import Command, is_one_sentence
from tests.planted.fake_nvml import FakeGpu, FakeNvml, no_driver

TWINS = FakeNvml((FakeGpu("GPU-1111"), FakeGpu("GPU-2222", number=1, limit=350.0)))
ON_CUDA = ("--device", "cuda")
ONE_CASE = ("--model", "lenet5", *ON_CUDA, "--batch", 1, "--workload", "inference")
MEASURING = {
    "run": ("--model", "lenet5", *ON_CUDA, "--out", "OUT"),
    "ab": (*ONE_CASE, "--b", "engine=compile", "--out", "OUT"),
    "best": ("lenet5", *ON_CUDA, "--out", "OUT"),
    "max-batch": ("lenet5", *ON_CUDA, "--out", "OUT"),
    "train": ("lenet5", *ON_CUDA, "--out", "OUT"),
    "layers": ("lenet5", *ON_CUDA, "--out", "OUT"),
    "ceilings": (*ON_CUDA, "--out", "OUT"),
    "ablate": ("kernels", *ON_CUDA, "--seeds", 0, "--out", "OUT"),
    "claims": ("--run", *ON_CUDA, "--out", "OUT"),
    "history": ("--run", *ON_CUDA, "--out", "OUT"),
    "selftest": ON_CUDA,
}
"""Each command on a GPU, as shortly as it can be asked."""


class StartedError(Exception):
    """A server was started: with this environment."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        super().__init__()
        self.environment = environment


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two equal GPUs, on which no server starts."""

    def start(*, environment: Mapping[str, str] | None = None, **others: Any) -> None:
        raise StartedError(environment)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("CONVBENCH_COLOR", "auto")  # a command sets it, in this process too
    monkeypatch.setattr(nvml_driver, "open_nvml", lambda: TWINS)
    monkeypatch.setattr(cuda.Cuda, "why_absent", lambda device: None)
    monkeypatch.setattr(case_server, "Server", start)
    monkeypatch.setattr(selftest, "Server", start)


def _words(command: str, folder: Path) -> list[object]:
    return [command, *(str(folder) if word == "OUT" else word for word in MEASURING[command])]


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize("command", MEASURING)
def test_children_of_every_command_see_the_chosen_gpu_and_no_other(
    command_line: Command, tmp_path: Path, command: str
) -> None:
    before = dict(os.environ)
    with pytest.raises(StartedError) as started:
        command_line(*_words(command, tmp_path / "out"), "--gpu", "1")
    assert started.value.environment == {**before, "CUDA_VISIBLE_DEVICES": "GPU-2222"}
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize("command", [*MEASURING, "doctor"])
def test_what_is_no_gpu_is_refused_in_one_sentence_before_anything_is_written(
    command_line: Command, tmp_path: Path, command: str
) -> None:
    words = [command] if command == "doctor" else _words(command, tmp_path / "out")
    answer = command_line(*words, "--gpu", "7")
    assert (answer.code, answer.out) == (2, "")
    assert is_one_sentence(answer.err)
    assert "which has 0 (NVIDIA H100, GPU-1111); 1 (NVIDIA H100, GPU-2222)" in answer.err
    assert not (tmp_path / "out").exists()


def test_without_a_driver_there_is_no_gpu_to_choose(
    command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvml_driver, "open_nvml", no_driver)
    answer = command_line("doctor", "--gpu", "0")
    assert answer.code == 2
    assert answer.err == "convbench: --gpu 0: no GPU found: NVML Shared Library Not Found\n"


def test_an_empty_name_of_a_gpu_is_told_what_is_accepted(command_line: Command) -> None:
    answer = command_line("doctor", "--gpu", "")
    assert answer.code == 2
    assert answer.err == "convbench: --gpu must be an index of nvidia-smi or a UUID, got ''\n"


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize("command", ["run", "ab", "best", "max-batch", "train"])
def test_a_gpu_for_what_runs_on_the_processor_is_refused(
    command_line: Command, tmp_path: Path, command: str
) -> None:
    words = ["cpu" if word == "cuda" else word for word in _words(command, tmp_path / "out")]
    answer = command_line(*words, "--gpu", "1")
    assert answer.code == 2
    assert answer.err.endswith("--gpu selects an NVIDIA GPU, but all cases run on cpu. Omit it\n")


@pytest.mark.usefixtures("twins")
def test_the_doctor_looks_at_the_chosen_gpu(command_line: Command) -> None:
    rows = {row["name"]: row for row in command_line("doctor", "--gpu", "GPU-2", "--format", "json").rows()}
    assert rows["gpu power limit"]["found"] == "350 W, by default 700 W"


@pytest.mark.usefixtures("twins")
def test_programs_choose_a_gpu_too(tmp_path: Path) -> None:
    with pytest.raises(StartedError) as started:
        api.run(out=tmp_path / "out", model="lenet5", device="cuda", gpu=1)
    assert (started.value.environment or {})["CUDA_VISIBLE_DEVICES"] == "GPU-2222"
    with pytest.raises(UserError, match=r"^--gpu 7 is no GPU of this machine"):
        api.run(out=tmp_path / "out", model="lenet5", device="cuda", gpu=7)


@pytest.mark.slow
def test_a_real_child_sees_the_gpu_that_was_chosen(tmp_path: Path) -> None:
    with server_for([Case(model="lenet5", device="cuda")], gpu="GPU-2222") as server:
        outcome = server.run(
            "tests.planted.fault_jobs:visible",
            b"",
            folder=tmp_path / "work",
            log=tmp_path / "log",
            time_limit_seconds=60,
        )
    assert outcome.result == b"GPU-2222"


def test_nothing_is_asked_of_the_driver_where_no_gpu_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml_driver, "open_nvml", lambda: pytest.fail("NVML was asked"))
    assert options.gpu_of(None) is None
