"""The caches between the cores that this process may use and the memory."""

from __future__ import annotations

import os
from pathlib import Path

CPUS = Path("/sys/devices/system/cpu")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def last_cache_bytes(cpus: Path = CPUS) -> int | None:
    """Bytes of the last cache before the memory; None where the kernel does not say.

    Cores may share such a cache in groups: the parts of all groups count.
    """
    parts: dict[str, int] = {}
    for cpu in os.sched_getaffinity(0):
        last = _last_cache(cpus / f"cpu{cpu}" / "cache")
        if last is None:
            return None
        shared, size = last
        parts[shared] = size
    return sum(parts.values())


def _last_cache(folder: Path) -> tuple[str, int] | None:
    """The CPUs that share it, as the kernel lists them, and its bytes."""
    found: list[tuple[int, str, int]] = []
    for index in folder.glob("index*"):
        try:
            level, size = (index / "level").read_text(), (index / "size").read_text().strip()
            found.append((int(level), (index / "shared_cpu_list").read_text().strip(), _bytes(size)))
        except (OSError, ValueError):
            continue
    if not found:
        return None
    _, shared, size_bytes = max(found)
    return (shared, size_bytes) if size_bytes > 0 else None


def _bytes(size: str) -> int:
    """`32768K`"""
    unit = _UNITS.get(size[-1:])
    return int(size) if unit is None else int(size[:-1]) * unit
