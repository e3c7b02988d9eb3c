"""The cores that this process may use."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from bench.host.cgroups import CGROUPS, MEMBERSHIP, control_groups


def usable_cores() -> int:
    """Physical cores inside this process's affinity and cgroup quota, at least 1: the default `threads`."""
    cpus = os.sched_getaffinity(0)
    cores = {_core_of(cpu) for cpu in cpus}
    quota = cgroup_quota()
    return max(1, len(cores) if quota is None else min(len(cores), int(quota)))


def share_of_cores(place: int, cores: int) -> set[int]:
    """The logical CPUs of so many physical cores that are no other place's; empty where there are too few."""
    by_core: dict[tuple[str, str], set[int]] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        by_core.setdefault(_core_of(cpu), set()).add(cpu)
    mine = list(by_core.values())[place * cores : (place + 1) * cores]
    return set().union(*mine) if len(mine) == cores else set()


_FLOPS_PER_CYCLE = {"avx512f": 64, "avx2": 32, "avx": 16, "asimd": 16}
"""Multiply-adds in fp32, as two each, that a core can begin in a cycle: two units of the widest vectors."""
_LEAST_FLOPS_PER_CYCLE, _USUAL_HERTZ = 8, 2.5e9
CPUINFO = Path("/proc/cpuinfo")


@functools.cache
def core_flops(cpuinfo: Path = CPUINFO) -> float:
    """FLOPs per second in fp32 that a core of this machine could do at best, from its vectors and its clock.

    The kernel's flags are read, and nothing is run: it tells a server's core from a small board's.
    """
    fields = _fields(cpuinfo)
    hertz = float(fields["cpu MHz"][0]) * 1e6 if fields.get("cpu MHz") else _USUAL_HERTZ
    flags = instructions(cpuinfo)
    return hertz * next(
        (flops for flag, flops in _FLOPS_PER_CYCLE.items() if flag in flags), _LEAST_FLOPS_PER_CYCLE
    )


@functools.cache
def instructions(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """What the processor can do, in the kernel's words: avx2, avx512f, asimd."""
    fields = _fields(cpuinfo)
    return frozenset(fields.get("flags", []) + fields.get("Features", []))


def _fields(cpuinfo: Path) -> dict[str, list[str]]:
    """Of the last core: the words behind each name; nothing where the kernel does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name.strip(): words.split() for name, _, words in (line.partition(":") for line in lines)}


def _core_of(cpu: int) -> tuple[str, str]:
    """(package, core) of a logical CPU; the CPU itself where the kernel does not say."""
    topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
    try:
        return (
            (topology / "physical_package_id").read_text().strip(),
            (topology / "core_id").read_text().strip(),
        )
    except OSError:
        return ("cpu", str(cpu))


def cgroup_quota(membership: Path = MEMBERSHIP, mounted: Path = CGROUPS) -> float | None:
    """CPUs that the tightest control group (v2 or v1) around this process grants; None without a limit."""
    folders = control_groups("cpu", membership, mounted)
    return min((quota for folder in folders for quota in _granted(folder)), default=None)


def _granted(folder: Path) -> list[float]:
    """The CPUs that one control group grants: one number, or none where it sets no limit."""
    v2, v1 = ("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    for files in (v2, v1):
        try:
            quota, period = " ".join((folder / name).read_text() for name in files).split()
        except (OSError, ValueError):
            continue
        return [int(quota) / int(period)] if quota not in ("max", "-1") else []
    return []
