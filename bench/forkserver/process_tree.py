"""What Linux knows of processes: who is below whom, death with the parent, and an end that nobody escapes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def processes() -> list[int]:
    """Every process id that /proc shows."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def descendants(ancestor: int) -> list[int]:
    """The processes below one, nearest first, by the parents that /proc names."""
    children: dict[int, list[int]] = {}
    for pid in processes():
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:  # gone meanwhile
            continue
        # The name stands in parentheses and may hold anything; state and parent follow the last one.
        parent = int(stat.rpartition(b")")[2].split()[1])
        children.setdefault(parent, []).append(pid)
    found = [ancestor]
    for pid in found:  # grows while it is walked
        found.extend(children.get(pid, ()))
    return found[1:]


def marked(variable: str, value: str) -> list[int]:
    """The processes that were started with this environment variable, or forked from one that was."""
    wanted = f"{variable}={value}".encode()
    found = []
    for pid in processes():
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def kill(pids: list[int]) -> None:
    """SIGKILL to each that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def end_descendants() -> None:
    """Kill and reap all that is below this process, which must be a subreaper: it then gets every orphan."""
    while True:
        kill(descendants(os.getpid()))
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def become_subreaper() -> None:
    """Become the parent of every orphan below this process, whatever session it made for itself."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; leave at once if that has happened."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def outlive_parent() -> None:
    """Undo `die_with`."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def flush_c_streams() -> None:
    """Write out what C code has printed and C still buffers."""
    ctypes.CDLL(None).fflush(None)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
