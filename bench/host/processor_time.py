"""Whose the processor's time was: the kernel's counters of the cores, and of the processes that are ours."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
"""The unit in which the kernel tells the time of cores and of other processes."""
_BUSY = (0, 1, 2, 5, 6)
"""user, nice, system, irq, softirq: guests are in the first two, and idle, iowait and steal are no work."""
_FIELDS, _STOLEN = 8, 7


@dataclass(frozen=True)
class Ticks:
    """Since the machine's start. `stolen` and `total` are of all processors, `busy` of the usable ones, which
    are `cores` many."""

    stolen: int
    total: int
    busy: int
    cores: int


def read_ticks(stat: Path = STAT, usable: Set[int] = frozenset()) -> Ticks:
    """The present counters; `usable` are the numbers of the cores that count.

    Where the file lacks one of them, as in a container whose file system numbers its cores anew, or where
    none is named, every core of the file counts.
    Raises OSError, ValueError and LookupError for a file that cannot be read or says something else.
    """
    lines = [line.split() for line in stat.read_text().splitlines() if line.startswith("cpu")]
    if not lines:
        raise ValueError("it names no processor")
    times = {name: [int(field) for field in fields[:_FIELDS]] for name, *fields in lines}
    machine = times.pop("cpu")
    wanted = {f"cpu{number}" for number in usable}
    counted = [times[name] for name in wanted] if wanted and wanted <= times.keys() else [*times.values()]
    return Ticks(
        stolen=machine[_STOLEN] if len(machine) > _STOLEN else 0,
        total=sum(machine),
        busy=sum(map(_busy, counted or [machine])),
        cores=len(counted) or 1,
    )


def _busy(times: list[int]) -> int:
    return sum(times[field] for field in _BUSY if field < len(times))


def usable_processors() -> frozenset[int]:
    """The numbers of the logical processors that threads of this process may run on.

    Of all its threads: an OpenMP that binds them leaves one to each.
    """
    found: set[int] = set()
    for thread in _numbered(Path("/proc/self/task")):
        with contextlib.suppress(OSError):  # it has ended
            found |= os.sched_getaffinity(thread)
    return frozenset(found or os.sched_getaffinity(0))


def own_seconds() -> float:
    """Processor time of this process, all threads together."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def family_seconds() -> float:
    """Processor time of whom else the measuring needs: the children of this process, ended or not, its
    parent (a fork server) and the parent of that (the command)."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    parent, _ = _parent_and_seconds(os.getppid())
    others = (*_below(os.getpid()), os.getppid(), parent)
    return ended.ru_utime + ended.ru_stime + sum(_parent_and_seconds(pid)[1] for pid in others)


def _below(pid: int) -> Iterator[int]:
    """The processes below one, as far as this kernel says so."""
    for thread in _numbered(Path(f"/proc/{pid}/task")):
        try:
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield child
            yield from _below(child)


def _numbered(folder: Path) -> list[int]:
    try:
        return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]
    except OSError:
        return []


def _parent_and_seconds(pid: int) -> tuple[int, float]:
    """Of one process; zeros where it is gone, or hidden."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0, 0.0
    # The name stands in parentheses and may hold anything; state and parent follow the last one.
    fields = stat.rpartition(b")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) * TICK_SECONDS
