"""The machine and the software of a run, found without torch; the child adds the GPU."""

from __future__ import annotations

import functools
import hmac
import importlib.metadata
import os
import platform
import re
import subprocess
import uuid
from pathlib import Path

import psutil

from bench.host import cpu_clocks
from bench.host.cpu_cores import usable_cores
from bench.schema.record import Environment

_LIBRARIES = (
    *("convbench", "torch", "torchvision", "triton", "numpy", "fvcore"),
    *("nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "nvidia-cublas", "nvidia-cublas-cu12"),
)
"""Distributions: of cuDNN and cuBLAS those for CUDA 13 and 12, of which one is installed."""
NODE_NAME = "CONVBENCH_NODE_NAME"
"""The environment variable that names the machine as its cluster does."""
MACHINE_ID = Path("/etc/machine-id")
_CONVBENCH = uuid.UUID("8f0d3c5e-9a41-4b6b-a1d7-2e64c0b7f935")
"""Drawn once: it makes a machine's id one that only convbench's records have."""
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
        commit=commit(),
        node=node_name(),
        machine_id=machine_id(MACHINE_ID),
        governor=cpu_clocks.governor(),
        turbo=cpu_clocks.turbo(),
    )


def node_name() -> str | None:
    """What the cluster calls this machine: what the user says, else what Slurm says."""
    return os.environ.get(NODE_NAME) or os.environ.get("SLURMD_NODENAME") or None


def machine_id(file: Path) -> str | None:
    """That of machine-id(5), hashed for convbench alone; None where the machine has none.

    The id itself is confidential. What `systemd-id128 machine-id --app-specific` prints for `_CONVBENCH` is
    the same: HMAC-SHA256 under the id as key, cut to a UUID of version 4.
    """
    try:
        secret = uuid.UUID(hex=file.read_text(encoding="ascii").strip())
    except (OSError, ValueError):  # missing, empty, or "uninitialized", as in images of containers
        return None
    digest = hmac.digest(secret.bytes, _CONVBENCH.bytes, "sha256")
    return uuid.UUID(bytes=digest[:16], version=4).hex


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


def commit() -> str | None:
    """That of this installation of convbench, where it is a checkout."""
    return _commit(Path(__file__).resolve().parents[2])


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
