"""Memory: whether there is enough, and what moves timings from one machine to the next."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.doctor.machine import Machine
from bench.schema.finding import Finding

GIB = 2**30
LEAST_SHARE = 0.25
"""Of all memory: with less, the kernel begins to drop the page cache and to swap while we measure."""
LEAST_BYTES = 4 * GIB
"""Training VGG-16 at a small batch takes about this much."""
MOST_SWAPPED = 0.1 * GIB


def findings(machine: Machine) -> Iterator[Finding]:
    """All about memory."""
    sizes = _sizes(machine.text("proc/meminfo") or "")
    yield _memory(sizes)
    yield _swap(sizes)
    yield _huge_pages(machine)


def _sizes(meminfo: str) -> dict[str, int]:
    """proc/meminfo in bytes."""
    return {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.MULTILINE)}


def _memory(sizes: dict[str, int]) -> Finding:
    if not {"MemTotal", "MemAvailable"} <= sizes.keys():
        return Finding(name="memory", status="unknown", found="the kernel does not report it")
    total, available = sizes["MemTotal"], sizes["MemAvailable"]
    found = f"{available / GIB:.1f} of {total / GIB:.1f} GiB available"
    if available >= LEAST_BYTES and available >= LEAST_SHARE * total:
        return Finding(name="memory", status="ok", found=found)
    advice = "free memory, or measure small batch sizes only"
    return Finding(name="memory", status="warn", found=found, advice=advice)


def _swap(sizes: dict[str, int]) -> Finding:
    if not {"SwapTotal", "SwapFree"} <= sizes.keys():
        return Finding(name="swap", status="unknown", found="the kernel does not report it")
    used = sizes["SwapTotal"] - sizes["SwapFree"]
    found = f"{used / GIB:.1f} of {sizes['SwapTotal'] / GIB:.1f} GiB used"
    if used <= MOST_SWAPPED:
        return Finding(name="swap", status="ok", found=found)
    advice = "reading pages back from disk takes milliseconds: free memory, then sudo swapoff -a"
    return Finding(name="swap", status="warn", found=found, advice=advice)


def _huge_pages(machine: Machine) -> Finding:
    """No setting is wrong, but figures move with it."""
    name = "transparent huge pages"
    chosen = re.search(r"\[(\w+)\]", machine.text("sys/kernel/mm/transparent_hugepage/enabled") or "")
    if chosen is None:
        return Finding(name=name, status="unknown", found="the kernel does not report it")
    advice = "compare only runs with the same setting"
    return Finding(name=name, status="ok", found=chosen[1], advice=advice)
