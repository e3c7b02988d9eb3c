"""The fork server: a process with torch imported already, which forks one child for each job.

It only imports, and never runs an operator: a child forked after one hangs in its first parallel region.
JSON lines come in on its standard input (`Job`, `Kill`) and go out on its standard output (`Ready`,
`Ended`). It sleeps in `poll` while a child measures. It is a subreaper: what a job starts and leaves
behind, in a session of its own or not, becomes its child and is killed before the job counts as ended,
as is everything once its standard input closes, which the kernel does however the parent died.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import io
import math
import os
import select
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from bench.processes import (
    become_subreaper,
    descendants,
    die_with,
    end_descendants,
    flush_c_streams,
    kill,
    outlive_parent,
)

RESULT = "result"
ERROR = "error.json"
STAGE = "stage: "
"""A line of the log that begins like this says what the child was doing; `stage` writes it."""
MESSAGE_LIMIT = 4000
"""Characters of an exception's message that are kept: torch.compile attaches whole programs."""


class Job(Struct, frozen=True, tag="job"):
    """Call `function` ("package.module:name", bytes to bytes); what it returns goes to `folder`.

    Both paths are absolute; `log` gets what the child prints.
    """

    function: str
    argument: bytes
    folder: str
    log: str


class Kill(Struct, frozen=True, tag="kill"):
    """End the running job and everything it started."""


class Ready(Struct, frozen=True, tag="ready"):
    """The modules are imported; jobs may come."""


class Ended(Struct, frozen=True, tag="ended"):
    """The job's child was reaped and nothing it started is left.

    code            as subprocess has it: the exit code, or minus the signal's number
    peak_rss_bytes  the child's `ru_maxrss`; it begins at what the server held when it forked
    """

    code: int
    peak_rss_bytes: int


class Failure(Struct, frozen=True):
    """What a child's exception was: the names of its class and of the classes above it, and its message."""

    types: list[str]
    message: str


Message = TypeVar("Message")


class Channel(Generic[Message]):
    """JSON lines over two file descriptors; `decoder` knows what comes in."""

    def __init__(self, reads: int, writes: int, decoder: msgspec.json.Decoder[Message]) -> None:
        self.reads, self.writes = reads, writes
        self._decoder = decoder
        self._unread = b""

    def send(self, message: Struct) -> None:
        """Raise BrokenPipeError when the other side is gone."""
        data = msgspec.json.encode(message) + b"\n"
        while data:
            data = data[os.write(self.writes, data) :]

    def receive(self) -> list[Message]:
        """Block for some input and return the messages it completes; raise EOFError at its end."""
        data = os.read(self.reads, 1 << 16)
        if not data:
            raise EOFError("the other side closed its end")
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [self._decoder.decode(line) for line in lines]

    def ready(self, seconds: float) -> bool:
        """Whether there is input (or its end) within that time; may return False early after 24 days."""
        return bool(readable([self.reads], seconds))


def readable(descriptors: Sequence[int], seconds: float) -> set[int]:
    """Those with input (or its end) within that time, asleep until then; may return early after 24 days."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {found for found, _ in poll.poll(math.ceil(min(max(seconds, 0) * 1000, 2**31 - 1)))}


def stage(name: str) -> None:
    """For the job: say in the log what begins now, so that a timeout or a crash can name it."""
    sys.stderr.write(f"{STAGE}{name}\n")
    sys.stderr.flush()


def main() -> NoReturn:
    """The server's life. Arguments: the parent's process id, then the modules to import."""
    parent, *modules = sys.argv[1:]
    requests, replies = _take_pipes()
    become_subreaper()
    die_with(int(parent))  # until it can see its input close, nothing else would end it with its parent
    _import(modules)
    gc.collect()
    gc.freeze()  # a child's first collection would otherwise copy every page of the imported modules
    outlive_parent()
    try:
        with contextlib.suppress(EOFError, BrokenPipeError):
            _Server(Channel(requests, replies, msgspec.json.Decoder(Job | Kill))).serve()
    finally:
        end_descendants()
        os._exit(0)


_CUDA_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"


def _import(modules: Sequence[str]) -> None:
    """Import them without letting torch start CUDA, which no forked child could then use.

    Inductor of torch 2.11 asks `torch.cuda.is_available()` when it is imported; with this variable torch
    asks NVML instead.
    """
    before = os.environ.get(_CUDA_CHECK)
    os.environ[_CUDA_CHECK] = "1"
    try:
        for module in modules:
            importlib.import_module(module)
    finally:
        if before is None:
            del os.environ[_CUDA_CHECK]
        else:
            os.environ[_CUDA_CHECK] = before


class _Server:
    """One job at a time: wait for a request or for the child's end, whichever comes first."""

    def __init__(self, channel: Channel[Job | Kill]) -> None:
        self._channel = channel
        self._child: int | None = None
        # SIGCHLD through a pipe, not a pidfd: Linux before 5.3 has none, and some builds of Python neither.
        self._wake, self._wake_writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def serve(self) -> NoReturn:
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake_writes, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._channel.reads, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        self._channel.send(Ready())
        while True:
            readable = [descriptor for descriptor, _ in poll.poll()]
            if self._wake in readable:
                os.read(self._wake, 1 << 12)
                self._reap()
            if self._channel.reads in readable:
                for message in self._channel.receive():
                    if isinstance(message, Job):
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

    def _fork(self, job: Job) -> None:
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
            _become_child(server, job.log)
            code = _run(job)
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
        sys.stdout.reconfigure(line_buffering=True)  # what was printed before an abort is in the log
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    with contextlib.suppress(OSError):  # some containers mount /proc read-only
        Path("/proc/self/oom_score_adj").write_text("1000")
    faulthandler.enable()


def _run(job: Job) -> int:
    """Call the job's function and return the exit code; the result or the failure is in the folder."""
    folder = Path(job.folder)
    try:
        module, _, name = job.function.partition(":")
        result = getattr(importlib.import_module(module), name)(job.argument)
        if not isinstance(result, bytes):
            raise TypeError(f"{job.function} returned {type(result).__name__}, not bytes")
        _write(folder / RESULT, result)
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return (leaving.code or 0) & 0xFF
        sys.stderr.write(f"{leaving.code}\n")
        return 1
    except BaseException as error:  # noqa: BLE001 - whatever a job raises is its outcome
        traceback.print_exc()
        types = [cls.__name__ for cls in type(error).__mro__]
        failure = Failure(types=types, message=str(error)[:MESSAGE_LIMIT])
        _write(folder / ERROR, msgspec.json.encode(failure))
        return 1
    return 0


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: written beside and renamed."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(data)
    beside.replace(path)
