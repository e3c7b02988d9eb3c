"""How a job is spread over ranks, a file each: every module here that defines STRATEGY answers to
`--strategy`."""

from __future__ import annotations

import sys
from functools import cache

from bench.contracts import plugins
from bench.contracts.rank_strategy import Strategy
from models.errors import unknown


@cache
def strategies() -> dict[str, Strategy]:
    """Every strategy this package knows, by name."""
    return {each.name: each for each in plugins.find(sys.modules[__name__], "STRATEGY")}


def get(name: str) -> Strategy:
    """The strategy of that name; UserError with the nearest name otherwise."""
    if name not in strategies():
        raise unknown("strategy", name, strategies())
    return strategies()[name]
