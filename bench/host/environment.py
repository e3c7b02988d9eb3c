"""The machine and the software of a run, found without torch; the child adds the GPU."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.schema.record import Environment

_LIBRARIES = ("convbench", "torch", "torchvision", "triton", "numpy", "fvcore", "nvidia-cudnn-cu13")
_MOVES_TIMINGS = re.compile(
    r"^(OMP|KMP|GOMP|MKL|DNNL|ONEDNN|MALLOC|CUDA|CUBLAS|CUDNN|NVIDIA"
    r"|TORCH|TORCHINDUCTOR|TORCHDYNAMO|AOT[A-Z]*|INDUCTOR|PYTORCH|TRITON)_"
)


@functools.cache
def describe() -> Environment:
    """All that can be known of this machine without torch; `gpu` is None."""
    return Environment(
        host=platform.node(),
        os=platform.platform(),
        python=platform.python_version(),
        cpu=_cpu_name(),
        cores_physical=psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        cores_usable=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        gpu=None,
        libraries=_libraries(),
        variables=_variables(),
        commit=_commit(Path(__file__).resolve().parents[2]),
    )


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


MEMBERSHIP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


def cgroup_quota(membership: Path = MEMBERSHIP, mounted: Path = CGROUPS) -> float | None:
    """CPUs that the tightest control group (v2 or v1) around this process grants; None without a limit."""
    folders = control_groups("cpu", membership, mounted)
    return min((quota for folder in folders for quota in _granted(folder)), default=None)


def control_groups(controller: str, membership: Path, mounted: Path) -> Iterator[Path]:
    """The folders of the control groups (v2 or v1) around this process that may limit what `controller`
    shares out, and of all the groups around them."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        group = mounted / (controller if controllers else "") / path.lstrip("/")
        yield from (group, *group.parents)


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


def _cpu_name() -> str:
    import cpuinfo

    return str(cpuinfo.get_cpu_info().get("brand_raw") or platform.processor() or platform.machine())


def _libraries() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _variables() -> dict[str, str]:
    """The set environment variables that are known to move timings."""
    chosen = {name: value for name, value in os.environ.items() if _MOVES_TIMINGS.match(name)}
    if "LD_PRELOAD" in os.environ:
        chosen["LD_PRELOAD"] = os.environ["LD_PRELOAD"]
    return dict(sorted(chosen.items()))


def _commit(root: Path) -> str | None:
    """The checkout's commit, with `-dirty` when it was changed; None where convbench is installed."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
