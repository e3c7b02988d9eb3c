"""Which part of the host's memory is next to its cores."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

NODES = Path("/sys/devices/system/node")


def numa_node(cores: Collection[int], nodes: Path = NODES) -> int | None:
    """The NUMA node that has all of these logical processors; None where they lie in several, and where Linux
    does not say."""
    for folder in sorted(nodes.glob("node[0-9]*")):
        try:
            listed = frozenset(_numbers((folder / "cpulist").read_text()))
        except (OSError, ValueError):
            continue
        if cores and listed.issuperset(cores):
            return int(folder.name.removeprefix("node"))
    return None


def _numbers(text: str) -> Iterator[int]:
    """`0-3,8`"""
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
