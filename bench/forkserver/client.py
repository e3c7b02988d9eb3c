"""A job in a process of its own: start the fork server, run one function in a child, say how it ended.

The parent's side. It never imports torch, and sleeps in `poll` while the child measures.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from bench.forkserver.handshake import why_not_asked, why_not_started, why_not_understood
from bench.forkserver.outcome import Kind, Outcome, describe_exit, memory_kills, outcome, take
from bench.forkserver.pipe import PipeReader
from bench.forkserver.process_tree import kill, marked
from bench.forkserver.stages import last_line, last_stage
from bench.forkserver.wire import ERROR, KEPT, RESULT, WIRE, Cancel, Channel, Ended, Ready, Request, readable
from bench.schema import durations
from bench.schema.job import ABILITIES
from models.errors import UserError

__all__ = ["Outcome", "Server"]

START_LIMIT_SECONDS = 300.0
"""torch's first import from a cold network disk takes minutes at worst."""
KILL_LIMIT_SECONDS = 10.0
"""What the server gets to end a job's processes; a GPU driver may need seconds to free a process's memory."""
MARK = "CONVBENCH_SERVER"
"""In the environment of a server and of all below it: how its orphans are found if it is killed itself."""

_ENTER = "from bench.entry import main; main()"
_ENTER_OWN = f"""
import sys
if {{root!r}} not in sys.path:
    sys.path.insert(0, {{root!r}})
{_ENTER}
"""


class Server:
    """A fork server as a context manager; a server that died is replaced at the next `run`.

    environment  the whole environment of the server and so of its jobs; None for that of this process
    preload      what children will do, in words of `bench.entry.PRELOAD`, e.g. ("timed", "compiled")
    python       another installed environment's interpreter, whose own convbench then measures
    folder       in which it starts, and so its jobs; None for the current one

    `begin` starts it ahead of entering, which then only waits: two that import torch at the same time.
    Entering raises UserError when the server cannot start or speaks another wire, and on other systems than
    Linux.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        preload: Sequence[str] = (),
        python: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        self._mark = uuid.uuid4().hex
        self._environment = {**(os.environ if environment is None else environment), MARK: self._mark}
        self._preload = tuple(preload)
        self._python = python
        self._folder = folder
        self._interpreter = python or Path(sys.executable)
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._is_ready = False

    def begin(self) -> None:
        """Start its process and do not wait until it is ready. Whoever calls this must leave the server, as a
        context manager, even if it was never entered."""
        if sys.platform == "linux" and self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_start` or `_stop`
            with contextlib.suppress(OSError):  # entering tries again, and says what is wrong
                self._spawn(self._errors.fileno())

    def __enter__(self) -> Self:
        if sys.platform != "linux":
            raise UserError(f"convbench measures on Linux only; this is {sys.platform}")
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(at_once=not self._is_ready)

    @property
    def pid(self) -> int | None:
        """The server's process id; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def is_foreign(self) -> bool:
        """Whether another environment's convbench answers, which may be older or newer than this one."""
        return self._python is not None

    def require(self, questions: Iterable[str]) -> None:
        """Raise UserError where one of these cannot be asked."""
        for question in questions:
            if not self.is_foreign and ":" in question:
                continue
            asking = ABILITIES.get(question, f"answer {question!r}")
            reason = why_not_asked(self._interpreter, self._ready, question, asking)
            if reason is not None:
                raise UserError(reason)

    def knows(self, field: str) -> bool:
        """Whether it understands a field of `bench.schema.job.LATER`, as `Job.facts`."""
        return not self.is_foreign or field in self._ready.fields

    def run(
        self,
        question: str,
        argument: bytes,
        *,
        folder: Path,
        log: Path,
        time_limit_seconds: float,
        reader: PipeReader | None = None,
        on_message: Callable[[bytes], None] = lambda line: None,
    ) -> Outcome:
        """Put a question to a fresh child and wait for its end, however it comes.

        A question is a word of `bench.entry.QUESTIONS`, and to one's own installation also the name of any
        function of bytes to bytes, "package.module:name". The child's output goes to `log`, which is emptied
        first; its result passes through `folder`. When this returns or raises (KeyboardInterrupt), no process
        of the job is left. Raises UserError when either cannot be written, a new server does not start or
        does not know the question. `on_message` gets each line that the child writes into `reader`'s pipe.
        """
        _prepare(folder, log)
        if self._process is None:
            self._start()
        self.require([question])
        request = Request(
            question=question, argument=argument, folder=str(folder.resolve()), log=str(log.resolve())
        )
        kills, began = memory_kills(), time.monotonic()
        try:
            ended, is_late = self._wait(request, began + time_limit_seconds, reader, on_message)
        except BaseException:
            self._stop()
            raise
        seconds = time.monotonic() - began
        limit = durations.in_words(time_limit_seconds)
        late = f"timed out after {limit}{last_stage(log)}" if is_late else None
        if ended is None:
            return self._lost(folder, log, late, seconds)
        kills = memory_kills() - kills
        return outcome(ended, folder=folder, log=log, late=late, memory_kills=kills, seconds=seconds)

    def _lost(self, folder: Path, log: Path, late: str | None, seconds: float) -> Outcome:
        """The outcome of a job whose server ended before it."""
        reason = f"the fork server {describe_exit(self._stop())}{last_stage(log)}"
        kind: Kind = "timeout" if late else "crashed"
        return Outcome(kind=kind, reason=late or reason, kept=take(folder / KEPT), seconds=seconds)

    def _wait(
        self,
        request: Request,
        deadline: float,
        reader: PipeReader | None,
        on_message: Callable[[bytes], None],
    ) -> tuple[Ended | None, bool]:
        """How the job ended (None: the server is lost) and whether it had to be told to."""
        late = False
        sources = [self._channel.reads, *([reader.descriptor] if reader else [])]
        try:
            self._channel.send(request)
            while True:
                found = readable(sources, deadline - time.monotonic())
                for line in reader.lines() if reader else ():  # before the end, which came after it
                    on_message(line)
                if self._channel.reads in found:
                    for message in self._channel.receive():
                        if isinstance(message, Ended):
                            return message, late
                elif time.monotonic() >= deadline:
                    if late:
                        return None, late
                    self._channel.send(Cancel())
                    late, deadline = True, time.monotonic() + KILL_LIMIT_SECONDS
        except (EOFError, BrokenPipeError):
            return None, late

    def _start(self) -> None:
        """Start a server, wait until it is ready, and see that the two understand each other."""
        with self._errors or tempfile.TemporaryFile() as errors:
            self._errors = None
            try:
                if self._process is None:
                    self._spawn(errors.fileno())
                self._ready = self._greeting()
                reason = why_not_understood(self._interpreter, self._ready)
                if reason is None:
                    self._is_ready = True
                    return
                raise UserError(reason)
            except EOFError:
                problem = describe_exit(self._stop())
            except OSError as error:  # it is no program, or says nothing
                self._stop()
                problem = error.strerror or str(error)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._stop()
                problem = "did not say that it was ready"
            except BaseException:
                self._stop(at_once=True)
                raise
            errors.seek(0)
            last = last_line(errors.read().decode(errors="replace"))
        if self.is_foreign:
            raise UserError(why_not_started(self._interpreter, self._environment, last or problem))
        raise UserError(f"the fork server {problem} while starting{': ' + last if last else ''}")

    def _greeting(self) -> Ready:
        """The first message. Raises EOFError at the server's end, and TimeoutError when it says nothing."""
        deadline = time.monotonic() + START_LIMIT_SECONDS
        while self._channel.ready(deadline - time.monotonic()):
            for message in self._channel.receive():
                if isinstance(message, Ready):
                    return message
        raise TimeoutError(f"was not ready within {START_LIMIT_SECONDS:g} s")

    def _spawn(self, errors: int) -> None:
        root = str(Path(__file__).resolve().parents[2])
        boot = _ENTER if self.is_foreign else _ENTER_OWN.format(root=root)
        words = [str(os.getpid()), str(WIRE), *self._preload]
        self._process = subprocess.Popen(
            [str(self._interpreter), "-P", "-c", boot, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            env=self._environment,
            cwd=self._folder,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        decoder = msgspec.json.Decoder(Ready | Ended)
        self._channel: Channel[Ready | Ended] = Channel(
            self._process.stdout.fileno(), self._process.stdin.fileno(), decoder
        )

    def _stop(self, *, at_once: bool = False) -> int:
        """Close the server's input, upon which it ends all that is below it and itself; return its code.

        `at_once`: kill it, as it does not see its input close before it has imported all that it was told to.
        """
        process, self._process = self._process, None
        self._is_ready = False
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        if process is None:
            if at_once:  # an interrupt may have come between its start and our knowing of it
                kill(marked(MARK, self._mark))
            return 0
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        if at_once:
            process.kill()
        try:
            process.wait(KILL_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        finally:
            process.stdout.close()
            if process.returncode != 0:
                kill(marked(MARK, self._mark))
        return process.returncode


def _prepare(folder: Path, log: Path) -> None:
    """Fresh places for what the child writes: nothing of an earlier job may pass for this one's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        for name in (RESULT, ERROR, KEPT):
            (folder / name).unlink(missing_ok=True)
        log.write_bytes(b"")
    except OSError as error:
        raise UserError(f"cannot write {error.filename}: {error.strerror}") from error
