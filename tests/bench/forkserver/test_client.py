"""Every way a job can end is named, and whatever it started is gone afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.forkserver.client import Outcome, Server
from bench.forkserver.outcome import explain
from bench.forkserver.process_tree import descendants, marked
from bench.forkserver.wire import ChildError
from models.errors import UserError
from tests.planted.commands import ROOT

pytestmark = pytest.mark.slow

TRACE = "CONVBENCH_TEST_TRACE"
Run = Callable[..., Outcome]


def until(condition: Callable[[], bool], seconds: float = 5.0) -> float:
    """Wait for the condition and return how long that took; fail past the limit."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.002)
    return time.monotonic() - began


@pytest.fixture
def trace(request: pytest.FixtureRequest) -> str:
    """A value that marks every process below this test's servers, however they detach themselves."""
    return f"{os.getpid()}-{request.node.name}-{random.getrandbits(64):x}"


@pytest.fixture
def server(trace: str) -> Iterator[Server]:
    with Server(environment={**os.environ, TRACE: trace, "PLANTED": "seen"}) as server:
        yield server


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Run:
    def run(job: str, argument: bytes = b"", limit: float = 20.0) -> Outcome:
        return server.run(
            f"tests.planted.fault_jobs:{job}",
            argument,
            folder=tmp_path / "job",
            log=tmp_path / "job.log",
            time_limit_seconds=limit,
        )

    return run


def test_a_result_comes_back_whatever_its_bytes(run: Run) -> None:
    argument = bytes(range(256)) * 1000
    outcome = run("echo", argument)
    assert (outcome.kind, outcome.reason, outcome.exit_code) == ("result", None, 0)
    assert outcome.result == argument[::-1]


def test_what_the_child_is_given(run: Run, tmp_path: Path) -> None:
    assert run("describe").result == b"b'' True 1000 seen"
    assert (tmp_path / "job.log").read_text() == "printed without a newline"


@pytest.mark.parametrize(
    ("job", "argument", "kind", "reason", "exit_code", "signal_number"),
    [
        ("abort", b"", "crashed", "killed by SIGABRT (during: building)", None, signal.SIGABRT),
        ("kill_itself", b"", "crashed", "killed by SIGKILL", None, signal.SIGKILL),
        ("exit_early", b"0", "crashed", "exited with code 0 without a result", 0, None),
        ("exit_early", b"3", "crashed", "exited with code 3", 3, None),
        ("exit_at_once", b"0", "crashed", "exited with code 0 without a result", 0, None),
        ("exit_at_once", b"4", "crashed", "exited with code 4: cannot go on", 4, None),
        ("exit_with_words", b"", "crashed", "exited with code 1: no such weights", 1, None),
        ("run_out_of_memory", b"", "oom", "MemoryError", 1, None),
    ],
)
def test_ends_are_named(
    run: Run,
    job: str,
    argument: bytes,
    kind: str,
    reason: str,
    exit_code: int | None,
    signal_number: int | None,
) -> None:
    outcome = run(job, argument)
    assert (outcome.kind, outcome.reason) == (kind, reason)
    assert (outcome.exit_code, outcome.signal, outcome.result) == (exit_code, signal_number, None)


def test_an_exception_is_told_in_one_line_of_bounded_length(run: Run, tmp_path: Path) -> None:
    outcome = run("fail")
    assert outcome.reason is not None
    assert outcome.reason.startswith("ValueError: a kernel of 7 is larger than the image xxx")
    assert len(outcome.reason) < 600
    assert "Traceback" in (tmp_path / "job.log").read_text()


@pytest.mark.parametrize(
    ("job", "word"), [("missing", "missing"), ("return_text", "returned str, not bytes")]
)
def test_a_function_that_is_none_or_returns_something_else(run: Run, job: str, word: str) -> None:
    outcome = run(job)
    assert outcome.kind == "crashed"
    assert word in (outcome.reason or "")


@pytest.mark.parametrize(
    ("error", "kind"),
    [("cuda", "oom"), ("cpu", "oom"), ("cublas", "oom"), ("shape", "crashed"), ("value", "crashed")],
)
def test_memory_that_ran_out_is_told_from_other_errors(run: Run, error: str, kind: str) -> None:
    assert run("raise_named", error.encode()).kind == kind


@pytest.mark.parametrize(("free", "kind"), [(20 * 2**20, "oom"), (60 * 2**30, "crashed"), (None, "crashed")])
def test_a_shape_without_an_engine_is_told_from_memory_that_ran_out_by_what_was_free(
    run: Run, free: int | None, kind: str
) -> None:
    outcome = run("lack_an_engine", b"" if free is None else str(free).encode())
    reason = "RuntimeError: FIND was unable to find an engine to execute this computation"
    assert (outcome.kind, outcome.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("message", "at_little", "at_plenty"),
    [
        ("FIND was unable to find an engine to execute this computation", "oom", "crashed"),
        ("GET was unable to find an engine to execute this computation", "oom", "crashed"),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "oom", "crashed"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "oom", "oom"),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", "oom", "oom"),
        ("CUDA error: an illegal memory access was encountered", "crashed", "crashed"),
    ],
)
def test_what_the_libraries_of_a_gpu_say_without_memory(message: str, at_little: str, at_plenty: str) -> None:
    """An older installation does not say what was free: then only words that leave no doubt count."""
    for free, expected in ((4 * 2**20, at_little), (60 * 2**30, at_plenty), (None, at_plenty)):
        told = ChildError(types=["RuntimeError", "Exception"], message=message, free_bytes=free)
        assert explain(told) == (expected, f"RuntimeError: {message}")


def test_a_refusal_is_its_own_sentence_and_no_crash(run: Run) -> None:
    outcome = run("refuse", b"the network has nothing to train: element 0 does not require grad")
    assert (outcome.kind, outcome.reason) == ("invalid", "the network has nothing to train")


def test_a_sentence_about_memory_that_ran_out_is_no_refusal() -> None:
    for message in ("the first step failed: CUDA error: out of memory", "it failed: std::bad_alloc"):
        told = ChildError(types=["UserError", "Exception", "RuntimeError"], message=message)
        assert explain(told)[0] == "oom"


def test_a_kill_by_the_kernel_is_out_of_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([3, 4])
    monkeypatch.setattr("bench.forkserver.client.memory_kills", lambda: next(counts))
    outcome = run("kill_itself")
    assert (outcome.kind, outcome.signal) == ("oom", signal.SIGKILL)


def test_nothing_of_an_earlier_job_passes_for_a_later_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "result").write_bytes(b"stale")
    (tmp_path / "job.log").write_text("stage: stale\n")
    outcome = run("exit_at_once", b"0")
    assert (outcome.kind, outcome.reason) == ("crashed", "exited with code 0 without a result")


def test_peak_memory_is_the_childs(run: Run) -> None:
    small, large = run("touch_memory", b"1"), run("touch_memory", b"%d" % (200 << 20))
    assert small.peak_rss_bytes is not None
    assert large.peak_rss_bytes is not None
    assert large.peak_rss_bytes - small.peak_rss_bytes == pytest.approx(200 << 20, rel=0.05)


@pytest.mark.parametrize("job", ["hang", "hang_in_c", "hang_with_orphans"])
def test_a_job_ends_at_its_limit(run: Run, trace: str, server: Server, job: str) -> None:
    outcome = run(job, limit=0.3)
    assert outcome.kind == "timeout"
    assert 0.3 <= outcome.seconds < 2
    stage = "" if job == "hang_in_c" else " (during: warm-up)"
    assert outcome.reason == f"timed out after 0.3 s{stage}"
    assert marked(TRACE, trace) == [server.pid]
    assert run("echo", b"ab").result == b"ba"


def test_orphans_in_sessions_of_their_own_are_gone_when_the_job_has_ended(
    run: Run, trace: str, server: Server
) -> None:
    outcome = run("leave_orphans")
    assert outcome.result == b"done"
    assert outcome.seconds < 5
    assert marked(TRACE, trace) == [server.pid]


def test_leaving_the_context_leaves_nothing(trace: str, tmp_path: Path) -> None:
    with Server(environment={**os.environ, TRACE: trace}) as server:
        assert server.pid in marked(TRACE, trace)
    assert marked(TRACE, trace) == []


def test_a_killed_server_is_a_crash_and_the_next_job_has_a_new_one(
    run: Run, trace: str, server: Server
) -> None:
    first = server.pid
    assert first is not None
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -9 {first}"])
    outcome = run("hang_with_orphans")
    killer.wait()
    assert outcome.kind == "crashed"
    assert outcome.reason == "the fork server was killed by SIGKILL (during: warm-up)"
    until(lambda: marked(TRACE, trace) == [])
    assert run("echo", b"ab").result == b"ba"
    assert server.pid != first


def test_a_server_killed_between_jobs_is_a_crash_too(run: Run, server: Server) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert run("echo", b"ab").kind == "crashed"
    assert run("echo", b"ab").result == b"ba"


PLANTED_KIND = "torchvision"
"""A kind that imports one module, in whose place a test can plant another of the same name."""


def planting(folder: Path, text: str) -> dict[str, str]:
    """The environment of a server that finds this text where it preloads PLANTED_KIND."""
    (folder / f"{PLANTED_KIND}.py").write_text(text)
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    environment = planting(tmp_path, "import no_such_module")
    with (
        pytest.raises(UserError, match="No module named 'no_such_module'"),
        Server(environment=environment, preload=[PLANTED_KIND]),
    ):
        pass


def test_a_kind_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    """Another installation may know more kinds than this one; preloading only saves time."""
    with Server(preload=["of-a-later-version"]) as server:
        answer = server.run(
            "tests.planted.fault_jobs:echo",
            b"ab",
            folder=tmp_path,
            log=tmp_path / "log",
            time_limit_seconds=20,
        )
    assert answer.result == b"ba"


def test_a_word_that_is_no_question_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'s convbench .*cannot answer 'juggle'$"):
        server.run("juggle", b"", folder=tmp_path / "job", log=tmp_path / "log", time_limit_seconds=1)


@pytest.mark.parametrize("before", [None, "0"])
def test_torch_asks_nvml_for_cuda_while_the_server_imports_and_only_then(
    tmp_path: Path, before: str | None
) -> None:
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    environment = planting(
        tmp_path,
        f"import os; seen = os.environ.get({name!r})\n"
        f"def answer(argument): return repr((seen, os.environ.get({name!r}))).encode()",
    )
    environment.pop(name, None)
    environment |= {} if before is None else {name: before}
    with Server(environment=environment, preload=[PLANTED_KIND]) as server:
        outcome = server.run(
            f"{PLANTED_KIND}:answer",
            b"",
            folder=tmp_path / "job",
            log=tmp_path / "log",
            time_limit_seconds=20,
        )
    assert outcome.result == repr(("1", before)).encode()


def test_what_is_preloaded_leaves_cuda_usable_in_the_children(tmp_path: Path) -> None:
    """Importing Inductor of torch 2.11 would start CUDA; NVML, where torch asks it, is planted to answer."""
    environment = planting(tmp_path, "import torch; torch.cuda._device_count_nvml = lambda: 0")
    with Server(environment=environment, preload=[PLANTED_KIND, "timed", "compiled"]) as server:
        outcome = server.run(
            "tests.planted.fault_jobs:in_bad_fork",
            b"",
            folder=tmp_path / "job",
            log=tmp_path / "log",
            time_limit_seconds=60,
        )
    assert outcome.result == b"False"


INDUCTOR_OF_2_11 = """
import torch
from torch._inductor import config

asked = []
torch._C._cuda_getDeviceCount = lambda: asked.append("driver") or 0
config.use_experimental_benchmarker and torch.cuda.is_available()


def answer(argument):
    return repr(asked).encode()
"""


@pytest.mark.parametrize(
    ("version", "visible", "asked"),
    [
        ("2.11.0+cu130", "MIG-0d9a5a1e-1111-2222-3333-444455556666", []),
        ("2.11.0+cu130", "-1", []),
        ("2.14.1+cu130", "MIG-0d9a5a1e-1111-2222-3333-444455556666", ["driver"]),
    ],
)
def test_importing_inductor_starts_no_cuda_on_an_instance_of_mig(
    tmp_path: Path, version: str, visible: str, asked: list[str]
) -> None:
    """NVML does not count those for torch, which then asks the driver, as does nothing from 2.14 on."""
    metadata = tmp_path / f"torch-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
    environment = planting(tmp_path, INDUCTOR_OF_2_11) | {"CUDA_VISIBLE_DEVICES": visible}
    with Server(environment=environment, preload=[PLANTED_KIND]) as server:
        outcome = server.run(
            f"{PLANTED_KIND}:answer",
            b"",
            folder=tmp_path / "job",
            log=tmp_path / "log",
            time_limit_seconds=60,
        )
    assert outcome.result == repr(asked).encode(), outcome.reason


def test_a_folder_that_cannot_be_written_is_a_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(UserError, match=r"cannot write .*file"):
        server.run("x:y", b"", folder=tmp_path / "file", log=tmp_path / "log", time_limit_seconds=1)
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_only_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserError, match="Linux only"), Server():
        pass


JOBS = """
import sys
from pathlib import Path
from bench.forkserver.client import Server
folder = Path(sys.argv[1])
with Server() as server:
    print("ready", flush=True)
    while True:
        for job, limit in ("leave_orphans", 20), ("hang_with_orphans", 0.05):
            server.run(f"tests.planted.fault_jobs:{job}", b"", folder=folder, log=folder / "log",
                       time_limit_seconds=limit)
"""
ONE_JOB = JOBS.replace('("leave_orphans", 20), ("hang_with_orphans", 0.05)', '[("hang", 60)]')
SLOW_IMPORT = f"from bench.forkserver.client import Server; Server(preload=[{PLANTED_KIND!r}]).__enter__()"


@contextlib.contextmanager
def parent(code: str, trace: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs jobs and may be killed."""
    environment = {**os.environ, TRACE: trace, "PYTHONPATH": f"{ROOT}:{folder}"}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_parent_leaves_nothing_whenever_it_dies(trace: str, tmp_path: Path, seed: int) -> None:
    with parent(JOBS, trace, tmp_path) as process:
        assert process.stdout is not None
        if seed:  # at 0 the server is still starting
            process.stdout.readline()
        else:
            until(lambda: len(marked(TRACE, trace)) > 1)
        time.sleep(random.Random(seed).uniform(0, 0.2))
        process.kill()
        process.wait()
        until(lambda: marked(TRACE, trace) == [], seconds=3)


def test_a_parent_that_dies_while_the_server_imports_leaves_nothing(trace: str, tmp_path: Path) -> None:
    planting(
        tmp_path, "import pathlib, time; pathlib.Path(__file__).with_name('begun').touch(); time.sleep(60)"
    )
    with parent(SLOW_IMPORT, trace, tmp_path) as process:
        until((tmp_path / "begun").exists)
        process.kill()
        process.wait()
        until(lambda: marked(TRACE, trace) == [], seconds=3)


def test_a_child_dies_with_its_server_when_the_parent_can_do_nothing(trace: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with parent(ONE_JOB, trace, tmp_path) as process:
        until(lambda: log.exists() and "warm-up" in log.read_text())
        server, child = descendants(process.pid)
        process.send_signal(signal.SIGSTOP)
        assert child in marked(TRACE, trace)
        os.kill(server, signal.SIGKILL)
        until(lambda: marked(TRACE, trace) == [process.pid], seconds=3)


def test_the_terminals_signals_do_not_reach_the_server(server: Server) -> None:
    assert server.pid is not None
    assert os.getsid(server.pid) == server.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_parent_leaves_nothing(trace: str, tmp_path: Path, number: signal.Signals) -> None:
    with parent(JOBS, trace, tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        process.wait()
        until(lambda: marked(TRACE, trace) == [], seconds=3)


def test_ctrl_c_ends_the_job_at_once_and_reaches_the_caller(run: Run, trace: str, server: Server) -> None:
    pressed = 0.0

    def press(number: int, frame: object) -> None:
        nonlocal pressed
        pressed = time.monotonic()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            run("hang_with_orphans")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - pressed < 1
    assert marked(TRACE, trace) == []
    assert server.pid is None
    assert run("echo", b"ab").result == b"ba"


def test_the_parent_sleeps_while_a_child_measures(run: Run) -> None:
    before = time.process_time()
    run("hang", limit=1.0)
    assert time.process_time() - before < 0.05


def test_the_parent_never_imports_torch() -> None:
    code = "import sys, bench.forkserver.client, bench.store; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_an_interpreter_without_convbench_is_named(tmp_path: Path) -> None:
    """Another environment's Python, here one that finds no installed package at all."""
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    other.chmod(0o755)
    with pytest.raises(UserError, match=f"^convbench is not installed in {other}$"), Server(python=other):
        pass
