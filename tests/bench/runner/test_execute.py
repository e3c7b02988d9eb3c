"""A run end to end, through real child processes: every way a case can end, resuming, refusals, signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import structs

from bench import devices
from bench.forkserver.client import Outcome
from bench.forkserver.process_tree import marked
from bench.host import environment
from bench.runner import case_server
from bench.runner import execute as run
from bench.runner.attempt import attempt
from bench.runner.events import Progress
from bench.runner.execute import RunResult, run_plan
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import SCHEMA, Record
from bench.store import RECORDS, read_records
from models.errors import UserError
from tests.planted import planted_records
from tests.planted.commands import ROOT
from tests.planted.standing_server import StandingServer

pytestmark = pytest.mark.slow

TRACE = "CONVBENCH_TEST_TRACE"
FAST = MeasurementProtocol(
    warmup_steps=2,
    warmup_seconds=0.001,
    warmup_limit_seconds=0.05,
    min_samples=6,
    max_samples=6,
    sampling_seconds=0.05,
    time_limit_seconds=120.0,
)
NETS = """
import os, time, torch
from torch import nn

def good(channels, classes):
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, classes)
    return nn.Sequential(nn.Conv2d(channels, 2, 3), *head)

class Broken(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.first, self.second = nn.Linear(64, 8), nn.Linear(8, classes)
    def forward(self, x):
        x = self.first(x.flatten(1))
        torch._dynamo.graph_break()
        return self.second(x)

def broken(channels, classes): return Broken(channels, classes)
def raises(): raise ValueError("no such weights\\nsecond line")
def leaves(): os._exit(0)
def aborts(): os.abort()
def text(): return "a network"
def greedy(): return nn.Linear(10**8, 10**8)
def hangs(): time.sleep(600)
"""
MENDED = NETS.split("def raises")[0] + "raises = leaves = aborts = text = greedy = good\n"
MENDED += "def hangs(): time.sleep(600)\n"


def net(path: Path, factory: str, **fields: object) -> Case:
    case = Case(model=f"{path}:{factory}", batch=2, image=8, channels=1, classes=3, threads=1)
    return structs.replace(case, **fields)


def lines(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / RECORDS).read_text().splitlines()]


class Story(NamedTuple):
    """A run whose budget was spent at once, and the same resumed without one."""

    directory: Path
    nets: Path
    planned: list[Case]
    budgeted: RunResult
    result: RunResult
    told: list[Progress]
    written: list[int]
    """Lines in the file when each finished case was told of."""

    def record(self, factory: str) -> Record:
        (found,) = [r for r in read_records(self.directory / RECORDS) if r.case.model.endswith(factory)]
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    nets, directory = folder / "nets.py", folder / "run"
    nets.write_text(NETS)
    factories = ("raises", "leaves", "aborts", "text", "greedy")
    planned = [
        *(net(nets, factory) for factory in factories),
        net(nets, "good", workload="training"),
        net(nets, "broken", engine="compile"),
        Case(model="lenet5", precision="tf32", image=28, channels=1, classes=10),
        Case(model="vgg16", image=16),
        Case(model="lenet5", device="cuda", image=28, channels=1, classes=10),
        Case(model="lenet5", image=28, channels=1, classes=10, replicate=2),
    ]
    told: list[Progress] = []
    written: list[int] = []

    def on_progress(progress: Progress) -> None:
        told.append(progress)
        if progress.record is not None:
            written.append(len(lines(directory)))

    budgeted = run_plan(planned, FAST, directory, resume=False, budget_seconds=1e-6, on_progress=on_progress)
    assert told == []
    result = run_plan(planned, FAST, directory, resume=True, budget_seconds=None, on_progress=on_progress)
    return Story(directory, nets, planned, budgeted, result, told, written)


def test_a_spent_budget_leaves_the_cases_for_resume(story: Story) -> None:
    assert (story.budgeted.remaining, story.budgeted.statuses) == (len(story.planned), {})
    assert story.result.remaining == 0


def test_every_end_has_its_status_and_the_run_goes_on(story: Story) -> None:
    on_gpu = "skipped" if devices.get("cuda").why_absent() else "ok"
    expected = [
        "invalid",
        "invalid",
        "crashed",
        "invalid",
        "oom",
        "ok",
        "ok",
        "skipped",
        "skipped",
        on_gpu,
        "ok",
    ]
    found = [record.status for record in read_records(story.directory / RECORDS)]
    assert found == expected
    assert story.result.statuses == Counter(expected)
    assert story.result.warning is None


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (":raises", "failed with ValueError: no such weights"),
        (":leaves", "ends the program when it is loaded"),
        (":aborts", "killed by SIGABRT (during: building)"),
        (":text", "returned an object of type str, not an nn.Module"),
        (":greedy", "can't allocate memory"),
    ],
)
def test_a_failure_is_told_in_its_own_words(story: Story, factory: str, words: str) -> None:
    record = story.record(factory)
    assert words in (record.reason or "")
    assert "\n" not in (record.reason or "")
    assert record.case.batch == 2, "running out of memory never changes the batch"
    assert record.measurements == []
    assert record.environment is not None


def test_what_cannot_run_is_skipped_with_the_reason(story: Story) -> None:
    skipped = [r for r in read_records(story.directory / RECORDS) if r.status == "skipped"]
    reasons = " ".join(record.reason or "" for record in skipped)
    assert "tf32 needs an NVIDIA GPU" in reasons
    assert "vgg16 cannot take images of 16x16" in reasons
    if devices.get("cuda").why_absent():
        assert "cannot use a CUDA GPU on this machine" in reasons


def test_a_line_has_the_fields_that_were_promised(story: Story) -> None:
    for number, line in enumerate(lines(story.directory), start=1):
        assert line["schema"] == SCHEMA
        assert line["sequence"] == number
        promised = ("case", "status", "reason", "measurements", "environment", "warnings", "started_at")
        assert set(promised) <= set(line)
        case = line["case"]
        assert isinstance(case, dict)
        assert set(case) == {
            *("model", "workload", "device", "precision", "engine", "layout", "batch", "image"),
            *("channels", "classes", "threads", "seed", "replicate", "task", "tuning", "input"),
            *("ranks", "strategy"),
        }
        measurements = line["measurements"]
        assert isinstance(measurements, list)
        assert all({"phase", "metric", "unit", "samples"} <= set(m) for m in measurements)
        assert bool(measurements) == (line["status"] == "ok")


def test_each_record_is_in_the_file_before_the_next_case_starts(story: Story) -> None:
    assert story.written == list(range(1, len(story.planned) + 1))
    assert [p.case for p in story.told[::2]] == story.planned
    assert [p.record is None for p in story.told] == [True, False] * len(story.planned)
    assert [p.done for p in story.told[1::2]] == story.written


def test_compile_seconds_come_from_two_processes_and_graph_breaks_are_counted(story: Story) -> None:
    """Cold with an empty cache; warm with the cache that the cold one left, which holds both graphs."""
    found = {m.metric: m.samples for m in story.record(":broken").measurements}
    assert found["graph_breaks"] == [1]
    assert found["recompiles"] == [0]
    assert found["compile_cache_hits"] == [2]
    assert found["compile_cold"][0] > found["compile_warm"][0] > 0


def test_nothing_is_left_beside_the_records_but_logs_of_what_failed(story: Story) -> None:
    names = {path.name for path in story.directory.iterdir()}
    assert names <= {RECORDS, ".lock", "logs"}
    logs = [path.read_text() for path in (story.directory / "logs").iterdir()]
    assert any("ValueError: no such weights" in log and "Traceback" in log for log in logs)


@pytest.fixture
def copied(story: Story, tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    shutil.copytree(story.directory, directory)
    return directory


def ignore(progress: Progress) -> None:
    """For a run whose progress nobody follows."""


def test_resuming_runs_what_crashed_timed_out_was_torn_or_is_new_and_nothing_else(
    story: Story, copied: Path
) -> None:
    """The last line is torn, the file of networks was mended meanwhile, and a case that hangs is new."""
    records = copied / RECORDS
    whole = records.read_bytes()
    records.write_bytes(whole[:-100])
    story.nets.write_text(MENDED)
    limited = structs.replace(FAST, time_limit_seconds=5.0)
    started: list[Case] = []

    def on_progress(progress: Progress) -> None:
        if progress.record is None:
            started.append(progress.case)

    hanging = net(story.nets, "hangs")
    try:
        planned = [hanging, *story.planned]
        result = run_plan(planned, limited, copied, resume=True, budget_seconds=None, on_progress=on_progress)
    finally:
        story.nets.write_text(NETS)
    assert started == [hanging, *story.planned[:4], story.planned[-1]]
    assert "was incomplete" in (result.warning or "")
    kept = whole.splitlines()[:-1]
    assert records.read_bytes().splitlines()[: len(kept)] == kept
    last = {record.case: record for record in read_records(records)}
    assert last[hanging].status == "timeout"
    assert "timed out after 5 s (during: building)" in (last[hanging].reason or "")
    assert [last[case].status for case in story.planned[:5]] == ["ok"] * 4 + ["oom"]
    assert last[story.planned[-1]].status == "ok"
    assert result.statuses["timeout"] == 1
    assert result.statuses["crashed"] == 0
    sequences = [record.sequence for record in read_records(records)]
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_folder_with_a_run_is_refused_at_once_and_left_as_it_is(story: Story, copied: Path) -> None:
    before = (copied / RECORDS).read_bytes()
    began = time.monotonic()
    with pytest.raises(UserError, match=r"already contains a run. Add --resume to continue it"):
        run_plan(story.planned, FAST, copied, resume=False, budget_seconds=None, on_progress=ignore)
    assert time.monotonic() - began < 1
    assert (copied / RECORDS).read_bytes() == before


def test_a_folder_with_warm_caches_is_not_continued_with_a_cold_l2(story: Story, copied: Path) -> None:
    """Their times could never be in one report."""
    before = (copied / RECORDS).read_bytes()
    cold = structs.replace(FAST, flush_l2=True)
    with pytest.raises(
        UserError, match=r"has times with warm caches\. Choose another --out for the other kind$"
    ):
        run_plan(story.planned, cold, copied, resume=True, budget_seconds=None, on_progress=ignore)
    assert (copied / RECORDS).read_bytes() == before


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="is a file"):
        run_plan(
            [Case(model="lenet5")],
            FAST,
            tmp_path / "file",
            resume=resume,
            budget_seconds=None,
            on_progress=ignore,
        )
    assert (tmp_path / "file").read_text() == "kept"


def test_only_the_impossible_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run on this machine: vgg16 cannot take"):
        run_plan(
            [Case(model="vgg16", image=16)],
            FAST,
            tmp_path / "run",
            resume=False,
            budget_seconds=None,
            on_progress=ignore,
        )
    assert not (tmp_path / "run").exists()


class Garbled:
    """A server whose children hand back what is no JSON."""

    def run(self, *arguments: object, **options: object) -> Outcome:
        return Outcome(kind="result", result=b"not JSON", seconds=1.0)


@pytest.mark.parametrize("engine", ["eager", "compile"])
def test_a_result_that_cannot_be_read_is_a_crash(tmp_path: Path, engine: str) -> None:
    case = Case(model="lenet5", engine=engine)
    record = attempt(case, FAST, environment.describe(), tmp_path, Garbled())  # type: ignore[arg-type]
    assert record.status == "crashed"
    assert "unreadable result" in (record.reason or "")


@contextmanager
def hanging_run(story: Story, directory: Path, trace: str) -> Iterator[subprocess.Popen[str]]:
    """The real command, resuming a finished run with a case that hangs; yields while it hangs."""
    model = f"{story.nets}:hangs"
    command = [sys.executable, "-m", "bench", "run", "--out", str(directory), "--resume", "--model", model]
    command += ["--image", "8", "--replicates", "1", "--device", "cpu"]
    environment = {**os.environ, TRACE: trace}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            began = time.monotonic()
            while not any("building" in log.read_text() for log in directory.glob("logs/*hangs*")):
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() - began < 60
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def gone(trace: str, seconds: float) -> bool:
    """Whether every process of a run is gone within that time."""
    began = time.monotonic()
    while marked(TRACE, trace):
        if time.monotonic() - began > seconds:
            return False
        time.sleep(0.01)
    return True


def test_ctrl_c_ends_the_command_and_a_second_run_is_refused_meanwhile(story: Story, copied: Path) -> None:
    before = (copied / RECORDS).read_bytes()
    trace = f"{os.getpid()}-interrupted"
    with hanging_run(story, copied, trace) as process:
        began = time.monotonic()
        with pytest.raises(UserError, match="is in use by another convbench process"):
            run_plan(story.planned, FAST, copied, resume=True, budget_seconds=None, on_progress=ignore)
        assert time.monotonic() - began < 1
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert time.monotonic() - pressed < 2
        assert process.returncode == 130
        saved = f"interrupted; 0 of 1 processes are saved in {copied}"
        how = f"convbench run --resume --out {copied}"
        assert errors == f"convbench: saving to {copied}\nconvbench: {saved}. Continue with: {how}\n"
        assert gone(trace, seconds=1)
    assert (copied / RECORDS).read_bytes() == before
    assert not (copied / "work").exists()


def test_a_killed_command_leaves_no_process_and_its_records(story: Story, copied: Path) -> None:
    before = (copied / RECORDS).read_bytes()
    trace = f"{os.getpid()}-killed"
    with hanging_run(story, copied, trace) as process:
        assert len(marked(TRACE, trace)) >= 3  # the command, the server, the child
        process.kill()
        process.wait()
        assert gone(trace, seconds=3)
    assert (copied / RECORDS).read_bytes() == before


@pytest.mark.parametrize("auto", [True, False])
def test_a_gpu_that_auto_chose_and_torch_cannot_use_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auto: bool
) -> None:
    """The user who named the device gets skipped cases and the figures of the other device."""
    gpu = Case(model="lenet5", device="cuda", image=28, channels=1, classes=10)
    cpu = structs.replace(gpu, device="cpu")
    monkeypatch.setattr(run, "unrunnable", lambda planned, server: {gpu: "no CUDA GPU"})
    monkeypatch.setattr(run, "_measure_pending", lambda *arguments: 0)
    out = tmp_path / "out"

    def go() -> RunResult:
        return run_plan(
            [cpu, gpu], FAST, out, resume=False, budget_seconds=None, on_progress=lambda told: None, auto=auto
        )

    if not auto:
        go()
        return
    sentence = "--device auto chose cuda, where no case can run: no CUDA GPU. Give --device cpu"
    with pytest.raises(UserError, match=f"^{sentence}$"):
        go()
    assert not out.exists()


def test_a_replicates_server_imports_what_its_own_cases_need(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A compiled case that is measured once costs the other replicates no import of the compiler."""
    imported: list[tuple[str, ...]] = []

    def server(*, preload: tuple[str, ...], **_: object) -> StandingServer[object]:
        imported.append(preload)
        return StandingServer(object())

    monkeypatch.setattr(case_server, "Server", server)
    monkeypatch.setattr(run, "unrunnable", lambda planned, server: {})
    monkeypatch.setattr(run, "attempt", lambda case, *_, **__: planted_records.record(case))
    plain = [Case(model="lenet5", replicate=number) for number in (1, 2)]
    planned = [plain[0], structs.replace(plain[0], engine="compile"), plain[1]]
    run_plan(planned, FAST, tmp_path, resume=False, budget_seconds=None, on_progress=lambda _: None)
    assert ["compiled" in kinds for kinds in imported] == [True, False]
