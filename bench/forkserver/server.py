"""The fork server: a process with torch imported already, which forks one child for each job.

It only imports, and never runs an operator: a child forked after one hangs in its first parallel region.
What it hears and answers stands in `bench.forkserver.wire`. It sleeps in `poll` while a child measures. It
is a subreaper: what a job starts and leaves behind, in a session of its own or not, becomes its child and is
killed before the job counts as ended, as is everything once its standard input closes, which the kernel
does however the parent died.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import io
import os
import re
import select
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from bench.forkserver.failure import told
from bench.forkserver.kept import keep_in, write_whole
from bench.forkserver.process_tree import (
    become_subreaper,
    descendants,
    die_with,
    end_descendants,
    flush_c_streams,
    kill,
    outlive_parent,
)
from bench.forkserver.wire import (
    ERROR,
    RESULT,
    Cancel,
    Channel,
    Ended,
    Ready,
    Request,
)
from bench.host.installed import version_of
from bench.schema.plain_text import encode

_INDUCTOR_ASKS_NOT = (2, 14)
"""The first torch whose Inductor does not ask for CUDA when it is imported."""


def serve(parent: int, modules: Sequence[str], questions: Mapping[str, str], ready: Ready) -> NoReturn:
    """The server's life: import the modules, say `ready`, answer requests until standard input closes.

    parent     its process id
    questions  word -> "package.module:name"
    """
    requests, replies = _take_pipes()
    become_subreaper()
    die_with(parent)  # until it can see its input close, nothing else would end it with its parent
    _import(modules)
    gc.collect()
    gc.freeze()  # a child's first collection would otherwise copy every page of the imported modules
    outlive_parent()
    try:
        with contextlib.suppress(EOFError, BrokenPipeError):
            channel = Channel(requests, replies, msgspec.json.Decoder(Request | Cancel))
            _Server(channel, questions).serve(ready)
    finally:
        end_descendants()
        os._exit(0)


def _import(modules: Sequence[str]) -> None:
    """Import them without letting torch start CUDA, which no forked child could then use."""
    quiet = _quieting()
    before = {name: os.environ.get(name) for name in quiet}
    os.environ.update(quiet)
    try:
        for module in modules:
            importlib.import_module(module)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _quieting() -> dict[str, str]:
    """Variables under which importing Inductor starts no CUDA.

    That of torch 2.11 asks `torch.cuda.is_available()`, and by the first variable torch then asks NVML. Not
    for an instance of MIG: there the second leaves out the question, and with it Inductor's own benchmarker
    in favour of Triton's.
    """
    quiet = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    release = re.match(r"(\d+)\.(\d+)", version_of("torch") or "")
    asks = release is not None and (int(release[1]), int(release[2])) < _INDUCTOR_ASKS_NOT
    if asks and os.environ.get("CUDA_VISIBLE_DEVICES", "").startswith("MIG-"):
        quiet["TORCHINDUCTOR_USE_EXPERIMENTAL_BENCHMARKER"] = "0"
    return quiet


class _Server:
    """One job at a time: wait for a request or for the child's end, whichever comes first."""

    def __init__(self, channel: Channel[Request | Cancel], questions: Mapping[str, str]) -> None:
        self._channel = channel
        self._questions = questions
        self._child: int | None = None
        # SIGCHLD through a pipe, not a pidfd: Linux before 5.3 has none, and some builds of Python neither.
        self._wake, self._wake_writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def serve(self, ready: Ready) -> NoReturn:
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake_writes, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._channel.reads, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        self._channel.send(ready)
        while True:
            readable = [descriptor for descriptor, _ in poll.poll()]
            if self._wake in readable:
                os.read(self._wake, 1 << 12)
                self._reap()
            if self._channel.reads in readable:
                for message in self._channel.receive():
                    if isinstance(message, Request):
                        self._fork(message)
                    elif self._child is not None:
                        kill(descendants(os.getpid()))

    def _reap(self) -> None:
        """When the child has ended, end what it left behind and report."""
        if self._child is None:
            return
        pid, status, usage = os.wait4(self._child, os.WNOHANG)
        if pid == 0:  # it was an orphan that ended
            return
        self._child = None
        end_descendants()
        self._channel.send(Ended(os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024))

    def _fork(self, request: Request) -> None:
        server = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            self._child = pid
            return
        code = 1
        try:  # whatever happens in here, the child must not return into the server's loop
            signal.set_wakeup_fd(-1)
            for descriptor in (self._channel.reads, self._channel.writes, self._wake, self._wake_writes):
                os.close(descriptor)
            _become_child(server, request.log)
            code = _run(request, self._questions.get(request.question, request.question))
            sys.stdout.flush()
            flush_c_streams()
        except BaseException:  # noqa: BLE001 - a process's last frame: there is nobody left to raise to
            traceback.print_exc()
        finally:
            # Not sys.exit: `atexit` and finalizers belong to the server, and may hang in a fork of it.
            os._exit(code)


def _take_pipes() -> tuple[int, int]:
    """Move the pipes away from 0 and 1, where an imported library that prints would find them."""
    requests, replies = os.dup(0), os.dup(1)  # not inheritable
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies


def _become_child(server: int, log_path: str) -> None:
    """Its own process group, death with the server, the log for output, first to go when memory runs out."""
    os.setpgid(0, 0)
    die_with(server)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What was printed before an abort is in the log; a sign that the log cannot take is no error.
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    with contextlib.suppress(OSError):  # some containers mount /proc read-only
        Path("/proc/self/oom_score_adj").write_text("1000")
    faulthandler.enable()


def _run(request: Request, function: str) -> int:
    """Call a function and return the exit code; the result or the exception is in the request's folder."""
    folder = Path(request.folder)
    keep_in(folder)
    try:
        module, _, name = function.partition(":")
        result = getattr(importlib.import_module(module), name)(request.argument)
        if not isinstance(result, bytes):
            raise TypeError(f"{function} returned {type(result).__name__}, not bytes")
        write_whole(folder / RESULT, result)
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return (leaving.code or 0) & 0xFF
        sys.stderr.write(f"{leaving.code}\n")
        return 1
    except BaseException as error:  # noqa: BLE001 - whatever a job raises is its outcome
        traceback.print_exc()
        write_whole(folder / ERROR, encode(told(error)))
        return 1
    return 0
