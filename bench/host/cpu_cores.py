"""The cores that this process may use."""

from __future__ import annotations

import os
from pathlib import Path

from bench.host.cgroups import CGROUPS, MEMBERSHIP, control_groups


def usable_cores() -> int:
    """Physical cores inside this process's affinity and cgroup quota, at least 1: the default `threads`."""
    cpus = os.sched_getaffinity(0)
    cores = {_core_of(cpu) for cpu in cpus}
    quota = cgroup_quota()
    return max(1, len(cores) if quota is None else min(len(cores), int(quota)))


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
