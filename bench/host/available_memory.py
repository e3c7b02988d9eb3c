"""Memory that a process may still take from the machine, within the control groups around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.host.cgroups import CGROUPS, MEMBERSHIP, control_groups

_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
"""Files with the limit and the use of a group, and the line of its memory.stat with the pages of files that
it would give back at once. Version 2 writes `max` for no limit, version 1 a number beyond any machine."""


def available_bytes(membership: Path = MEMBERSHIP, mounted: Path = CGROUPS) -> int:
    """What the kernel calls available, or what the tightest control group leaves where that is less."""
    import psutil  # late: commands that measure nothing list the devices too

    left = (room for folder in control_groups("memory", membership, mounted) for room in _left(folder))
    return max(0, min([int(psutil.virtual_memory().available), *left]))


def _left(folder: Path) -> Iterator[int]:
    """What one control group leaves, in bytes: one number, or none where it sets no limit."""
    for limit, used, reclaimable in (_V2, _V1):
        try:
            most, now = (int((folder / name).read_text()) for name in (limit, used))
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        yield most - now + int(stat.get(reclaimable, 0))
