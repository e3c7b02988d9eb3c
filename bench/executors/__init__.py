"""What starts the jobs of a fleet, a file each: every module here that defines EXECUTOR answers to
`--executor`."""

from __future__ import annotations

import sys
from functools import cache

from bench.contracts import plugins
from bench.contracts.executor import Executor
from models.errors import unknown


@cache
def executors() -> dict[str, Executor]:
    """Every executor this package knows, by name."""
    return {each.name: each for each in plugins.find(sys.modules[__name__], "EXECUTOR")}


def get(name: str) -> Executor:
    """The executor of that name; UserError with the nearest name otherwise."""
    if name not in executors():
        raise unknown("executor", name, executors())
    return executors()[name]
