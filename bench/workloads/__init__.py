"""What is done with a network, a file each: a module that defines WORKLOAD answers to `--workload`."""

from __future__ import annotations

import sys
from functools import cache

from bench.contracts import plugins
from bench.contracts.workload import Workload


@cache
def workloads() -> dict[str, Workload]:
    """Every workload by name."""
    return {workload.name: workload for workload in plugins.find(sys.modules[__name__], "WORKLOAD")}
