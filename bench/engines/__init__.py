"""Ways to execute, a file each: every module here that defines ENGINES answers to `--engine`."""

from __future__ import annotations

import sys
from functools import cache

from bench.contracts import plugins
from bench.contracts.engine import Engine
from models.errors import unknown


@cache
def engines() -> dict[str, Engine]:
    """Every engine by name: eager first, as the usual one."""
    found = [engine for several in plugins.find(sys.modules[__name__], "ENGINES") for engine in several]
    return {engine.name: engine for engine in sorted(found, key=lambda engine: engine.name != "eager")}


def get(name: str) -> Engine:
    """The engine of that name; UserError with the nearest name otherwise."""
    if name not in engines():
        raise unknown("engine", name, engines())
    return engines()[name]
