"""`run --gpu all`: a run folder for each GPU, one after the other or together, resumed by its name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

import convbench
from bench.devices import cuda
from bench.host import nvml_driver
from bench.run_folders import named_run
from bench.runner import case_server, execute, gpu_folders, plan_file
from bench.runner.run_options import RunOptions
from bench.schema.case import Case
from bench.schema.gpu_identity import Gpu
from bench.schema.record import Environment, Record
from bench.store import RECORDS, read_records
from models.errors import UserError
from reports.summary.pooling import summarise
from tests.planted import planted_records
from tests.planted.commands import ROOT, Command, is_one_sentence
from tests.planted.fake_nvml import FakeGpu, FakeNvml
from tests.planted.standing_server import StandingServer

UUIDS = ("GPU-3f0c12ab-1111", "GPU-77aa0000-2222")
WORDS = ("--model", "lenet5", "--device", "cuda", "--workload", "inference", "--no-ceilings")


def attempted(case: Case, protocol: Any, environment: Environment, *others: Any, facts: bool) -> Record:
    """What a GPU of 1 ms answers, and of 2 ms the second one."""
    options = others[-1]
    assert isinstance(options, RunOptions)
    gpu = structs.replace(planted_records.GPU, uuid=options.gpu)
    timed = planted_records.time("forward", 0.001 * (1 + UUIDS.index(str(options.gpu))), "device_time")
    return planted_records.record(case, timed, environment=structs.replace(environment, gpu=gpu))


def plant(set_: Any) -> None:
    """Two GPUs, and no child that needs them."""
    boards = tuple(FakeGpu(uuid, number=number) for number, uuid in enumerate(UUIDS))
    set_(nvml_driver, "open_nvml", lambda: FakeNvml(boards))
    set_(cuda.Cuda, "why_absent", lambda device: None)
    set_(case_server, "Server", lambda **_: StandingServer(object()))
    set_(execute, "unrunnable", lambda planned, server: {})
    set_(execute, "attempt", attempted)


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    plant(monkeypatch.setattr)


def measured(out: Path) -> dict[str, list[tuple[str, int, int]]]:
    """By folder the GPU of each record, how many were at work, and its replicate."""
    found = {}
    for folder in sorted(out.glob("GPU-*")):
        records = list(read_records(folder / RECORDS)) if (folder / RECORDS).exists() else []
        found[folder.name] = [_of(record) for record in records]
    return found


def _of(record: Record) -> tuple[str, int, int]:
    environment = record.environment
    assert environment is not None
    assert isinstance(environment.gpu, Gpu)
    return str(environment.gpu.uuid), environment.gpus_at_once, record.case.replicate


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize(("more", "wanted"), [((), True), (("--no-step-digest",), False)])
def test_the_gpus_of_a_host_make_a_deterministic_step_for_there_is_another_to_compare_with(
    command_line: Command, tmp_path: Path, more: tuple[str, ...], wanted: bool
) -> None:
    assert (
        command_line("run", "--gpu", "all", *WORDS, *more, "--replicates", 1, "--out", tmp_path / "D").code
        == 0
    )
    plans = [plan_file.read(folder) for folder in gpu_folders.begun(tmp_path / "D")]
    assert [plan is not None and plan.step_digest for plan in plans] == [wanted, wanted]


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize(("more", "at_once"), [((), 1), (("--together",), 2)])
def test_each_gpu_has_a_run_below_out_and_the_report_is_of_all(
    command_line: Command, tmp_path: Path, more: tuple[str, ...], at_once: int
) -> None:
    out = tmp_path / "out"
    answer = command_line("run", *WORDS, "--gpu", "all", *more, "--replicates", 2, "--out", out)
    assert answer.code == 0, answer.err
    assert measured(out) == {uuid[:12]: [(uuid, at_once, 1), (uuid, at_once, 2)] for uuid in UUIDS}
    assert (out / "report.md").exists()
    assert ("2 GPUs at once (--together)" in " ".join(answer.out.split())) == (at_once == 2)
    assert f"convbench report {out} -o" in " ".join(answer.out.split())
    again = command_line("run", *WORDS, "--gpu", "all", "--replicates", 2, "--out", out)
    assert (again.code, is_one_sentence(again.err)) == (2, True)
    assert "already contains a run. Add --resume" in again.err


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize("more", [(), ("--together",)])
def test_what_a_budget_left_on_any_gpu_is_measured_by_the_folders_name(
    command_line: Command, tmp_path: Path, more: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    words = ("run", *WORDS, "--gpu", "all", *more, "--replicates", 3, "--shard", "1/2", "--out", out)
    stopped = command_line(*words, "--budget", 1e-9)
    assert stopped.code == 3
    assert f"2 of 2 processes not measured. Continue with: convbench run --resume --out {out}" in stopped.err
    assert command_line("run", "--resume", "--out", out).code == 0
    assert [[replicate for *_, replicate in each] for each in measured(out).values()] == [[2], [2]]
    assert command_line("run", "--resume", "--out", out).code == 0
    assert list(map(len, measured(out).values())) == [1, 1]


@pytest.mark.usefixtures("twins")
def test_figures_with_others_at_work_are_never_pooled_with_those_of_a_gpu_alone(
    command_line: Command, tmp_path: Path
) -> None:
    words = ("run", *WORDS, "--gpu", "all", "--replicates", 2)
    assert command_line(*words, "--out", tmp_path / "alone").code == 0
    assert command_line(*words, "--together", "--out", tmp_path / "together").code == 0
    folders = [path for out in ("alone", "together") for path in (tmp_path / out).glob("GPU-3*")]
    figures = [each for each in summarise(folders).figures if each.metric == "device_time"]
    assert [len(figure.medians) for figure in figures] == [2, 2]
    shown = command_line("report", *folders, "--full", "--format", "md").out
    assert "| GPUs measured at once |" in shown


@pytest.mark.usefixtures("twins")
def test_a_gpu_that_cannot_be_measured_is_named_and_the_other_measured(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "attempt", _lost)
    for name, more in (("turn", ()), ("at-once", ("--together",))):
        out = tmp_path / name
        answer = command_line("run", *WORDS, "--gpu", "all", *more, "--replicates", 1, "--out", out)
        assert answer.code == 1
        assert f"convbench: {out / UUIDS[1][:12]}: the GPU is lost\n" in answer.err
        assert list(map(len, measured(out).values())) == [1, 0]


@pytest.mark.usefixtures("twins")
def test_a_program_measures_all_gpus_and_is_told_of_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"model": "lenet5", "device": "cuda", "workload": "inference", "ceilings": False}
    given |= {"gpu": "all", "replicates": 2, "shard": "1/2", "node_name": "n7", "progress": False}
    run = convbench.run(**given, out=tmp_path / "out")
    assert (dict(run.statuses), run.notes) == ({"ok": 6}, ())
    assert measured(tmp_path / "out") == {uuid[:12]: 3 * [(uuid, 1, 2)] for uuid in UUIDS}
    assert convbench.run(resume=True, out=tmp_path / "out", progress=False).remaining == 0
    monkeypatch.setattr(execute, "attempt", _lost)
    run = convbench.run(**given, out=tmp_path / "lost")
    assert run.notes == (f"{tmp_path / 'lost' / UUIDS[1][:12]}: the GPU is lost",)
    with pytest.raises(convbench.UserError, match="add --gpu all"):
        convbench.run(model="lenet5", together=True, out=tmp_path / "none")


def _lost(case: Case, *others: Any, facts: bool) -> Record:
    """The second one is."""
    if others[-1].gpu == UUIDS[1]:
        raise UserError("the GPU is lost")
    return attempted(case, *others, facts=facts)


@pytest.mark.usefixtures("twins")
def test_a_replaced_gpu_is_measured_in_the_place_of_the_one_that_failed(
    command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fleet's second attempt begins so. A GPU that is gone, and no other there, is a failure as before."""
    new, out = "GPU-99999999-3333", tmp_path / "fleet" / "nodes" / "node1" / "2"

    def attempted_or_lost(case: Case, *others: Any, facts: bool) -> Record:
        if others[-1].gpu == UUIDS[1] and case.replicate == 2:
            raise UserError("the GPU is lost")
        measured = UUIDS[0] if others[-1].gpu == new else str(others[-1].gpu)
        found = attempted(case, *others[:-1], structs.replace(others[-1], gpu=measured), facts=facts)
        assert found.environment is not None
        gpu = structs.replace(planted_records.GPU, uuid=others[-1].gpu)
        return structs.replace(found, environment=structs.replace(found.environment, gpu=gpu))

    monkeypatch.setattr(execute, "attempt", attempted_or_lost)
    assert command_line("run", *WORDS, "--gpu", "all", "--replicates", 2, "--out", out).code == 1
    boards = [FakeGpu(UUIDS[0])]
    monkeypatch.setattr(nvml_driver, "open_nvml", lambda: FakeNvml(tuple(boards)))
    assert command_line("run", "--resume", "--out", out).code == 1
    boards.append(FakeGpu(new, number=1))
    answer = command_line("run", "--resume", "--out", out)
    assert answer.code == 0, answer.err
    assert "GPU-77aa0000 is not in this machine any more: another GPU is measured in its place" in answer.err
    assert {name: len(of) for name, of in measured(out).items()} == {
        "GPU-3f0c12ab": 2,
        "GPU-77aa0000": 1,
        "GPU-99999999": 2,
    }
    assert [run.name for run in named_run(out).run_folders] == ["GPU-3f0c12ab", "GPU-99999999"]


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*WORDS, "--together"), "--together measures all GPUs of this host at the same time: add --gpu all"),
        (("--model", "lenet5", "--device", "cpu", "--gpu", "all"), "all cases run on cpu. Omit it"),
        ((*WORDS, "--gpu", "all", "--resume"), "holds no folder for each GPU"),
        ((*WORDS, "--gpu", "all", "--shard", "0/2"), "--shard deals out a fixed number"),
        ((*WORDS, "--node-name", " "), "--node-name must be 1 to 100 printable characters"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_left(
    command_line: Command, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    answer = command_line("run", *words, "--out", tmp_path / "out")
    assert (answer.code, answer.out) == (2, "")
    assert sentence in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("twins")
def test_other_commands_say_that_they_take_one_gpu(command_line: Command) -> None:
    answer = command_line("layers", "lenet5", "--device", "cuda", "--gpu", "all")
    assert answer.code == 2
    assert "--gpu all works with convbench run. Here give one GPU" in answer.err


@pytest.mark.usefixtures("twins")
def test_a_dry_run_says_on_how_many_gpus_and_writes_nothing(command_line: Command, tmp_path: Path) -> None:
    words = ("run", *WORDS, "--gpu", "all", "--replicates", 1, "--dry-run", "--out", tmp_path / "out")
    answer = command_line(*words)
    assert "this on each of 2 GPUs, one after the other" in answer.err
    assert list(tmp_path.iterdir()) == []


def hang() -> None:
    """A program that measures two GPUs for ever, both at the same time."""

    def attempted_for_ever(*_: Any, facts: bool) -> Record:
        os.write(1, f"{os.getpid()}\n".encode())
        time.sleep(600)
        raise AssertionError

    plant(setattr)
    vars(execute)["attempt"] = attempted_for_ever
    from bench import cli

    cli.main()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_gpus_process_outlives_the_command(tmp_path: Path, number: int) -> None:
    words = ["run", *WORDS, "--gpu", "all", "--together", "--replicates", "1", "--out", str(tmp_path / "out")]
    code = f"import sys; sys.argv[1:] = {words!r}; from tests.bench.cli.test_run_gpus import hang; hang()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        children = [int(started.stdout.readline()) for _ in UUIDS]
        for pid in children if number == signal.SIGINT else []:
            os.kill(pid, number)  # as a terminal does
        started.send_signal(number)
        _, err = started.communicate(timeout=60)
    if number == signal.SIGINT:
        assert started.returncode == 130
        assert "Traceback" not in err
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
