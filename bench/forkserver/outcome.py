"""How a job ended: named from its exit code, the files it left and the kernel's count of memory kills."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bench.forkserver.stages import last_line, last_stage, one_line, tail
from bench.forkserver.wire import ERROR, KEPT, RESULT, ChildError, Ended

Kind = Literal["result", "timeout", "crashed", "oom", "invalid"]

_MEMORY_TYPES = {"MemoryError", "OutOfMemoryError"}
_MEMORY_MESSAGE = re.compile(
    r"out of memory|can(?:'|no)t allocate memory|DefaultCPUAllocator|std::bad_alloc"
    r"|(?:CUBLAS|CUDNN)_STATUS_\w*ALLOC\w*_FAILED",
    re.IGNORECASE,
)
_MAY_BE_MEMORY = re.compile(r"unable to find an engine|CUBLAS_STATUS_NOT_INITIALIZED")
"""cuDNN: no algorithm has room for its workspace, or none knows the shape. cuBLAS: its handle has no room, or
the GPU is broken."""
_LITTLE_BYTES = 4 * 2**30
"""Workspaces are of the size of tensors: with more than this free, memory is not what was missing."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How a job ended.

    reason          one line; None for a result
    result          what the function returned; None unless kind is `result`
    kept            what it had found before it ended otherwise (`bench.forkserver.kept`), or None
    peak_rss_bytes  of the child; it begins at what the server held when it forked (about 690 MB with torch)
    seconds         from the request until the last process of the job was gone
    """

    kind: Kind
    reason: str | None = None
    result: bytes | None = None
    kept: bytes | None = None
    exit_code: int | None = None
    signal: int | None = None
    peak_rss_bytes: int | None = None
    seconds: float


def outcome(
    ended: Ended, *, folder: Path, log: Path, late: str | None, memory_kills: int, seconds: float
) -> Outcome:
    """The outcome of a child that was reaped; `late` is the reason to give if it was killed for its time."""
    code = ended.code
    result = take(folder / RESULT)
    failure = take(folder / ERROR)
    kept = take(folder / KEPT)
    kind: Kind = "crashed"
    reason: str | None
    if code == 0 and result is not None:
        kind, reason = "result", None
    elif code == 0:
        reason = "exited with code 0 without a result" + last_stage(log)
    elif code == -signal.SIGKILL and late is not None:
        kind, reason = "timeout", late
    elif code == -signal.SIGKILL and memory_kills:
        kind, reason = "oom", "out of memory (killed by the kernel)" + last_stage(log)
    elif code < 0:
        reason = describe_exit(code).removeprefix("was ") + last_stage(log)
    elif failure is not None:
        kind, reason = explain(msgspec.json.decode(failure, type=ChildError))
    else:
        last = last_line(tail(log))
        reason = describe_exit(code) + (f": {last}" if last else "")
    return Outcome(
        kind=kind,
        reason=reason,
        result=result if kind == "result" else None,
        kept=None if kind == "result" else kept,
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        peak_rss_bytes=ended.peak_rss_bytes,
        seconds=seconds,
    )


def describe_exit(code: int) -> str:
    """A process's end in words, from the code as subprocess has it."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"was killed by signal {-code}"


def memory_kills() -> int:
    """Kills by the kernel for want of memory so far, on this machine and in this process's control groups.

    A kill may be counted in both; only whether the sum rose means something.
    """
    sources = [Path("/proc/vmstat")]
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            sources.append(Path(f"/sys/fs/cgroup{path}/memory.events"))
        elif controllers == "memory":
            sources.append(Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control"))
    counts = [re.findall(r"^oom_kill (\d+)$", _text(source), re.MULTILINE) for source in sources]
    return sum(int(count) for found in counts for count in found)


def explain(error: ChildError) -> tuple[Kind, str]:
    """Memory that ran out, a refusal or a crash, told by names and message alone: torch is not imported here.

    A refusal is a UserError: its message is the whole sentence, as that of a SpokenError.
    """
    types = set(error.types)
    spoken = types & {"RuntimeError", "OSError"} and _speaks_of_memory(error)
    name, message = error.types[0], one_line(error.message)
    if types & _MEMORY_TYPES or spoken:
        return "oom", f"{name}: {message}".removesuffix(": ")
    if "UserError" in types:
        return "invalid", message
    if "SpokenError" in types:
        return "timeout" if "LateError" in types else "crashed", message
    return "crashed", f"{name}: {message}".removesuffix(": ")


def _speaks_of_memory(error: ChildError) -> bool:
    if _MEMORY_MESSAGE.search(error.message):
        return True
    little = error.free_bytes is not None and error.free_bytes < _LITTLE_BYTES
    return little and _MAY_BE_MEMORY.search(error.message) is not None


def take(path: Path) -> bytes | None:
    """Read a file that has served its purpose then."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    path.unlink()
    return data


def _text(path: Path) -> str:
    """Empty where the kernel or the container has no such file."""
    try:
        return path.read_text()
    except OSError:
        return ""
