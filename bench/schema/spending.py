"""What the seconds of a process, and of the command that asked for it, go to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

Spending = Literal[
    "measuring",
    "training",
    "warming-up",
    "compiling",
    "starting",
    "building",
    "probing",
    "reporting",
    "failing",
    "rest",
]
"""
measuring   timed windows, energy, layers
training    the epochs of a training run
warming-up  steps before the first sample
compiling   the first step of a compiling engine, and the process that compiles from an empty cache
starting    launching and ending processes: imports, the fork, what a child imports for itself
building    network, weights, inputs, precision, fingerprint
probing     memory, ledger, counts, checks of how the steps ran, and questions before a run
reporting   tables and plots at the end
failing     of a process without a result: what it did after it was last heard of
rest        all else: records to the disk, the plan
"""


def added(several: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The seconds of several, by what."""
    total: dict[str, float] = {}
    for each in several:
        for what, seconds in each.items():
            total[what] = total.get(what, 0.0) + seconds
    return total


def in_words(spent: Mapping[str, float]) -> str:
    """`measuring 71%, warming up 14%, starting 9%, building 6%`, the largest first; "" for no seconds.

    Whole percent, of which what would be 0% is left out.
    """
    whole = sum(spent.values())
    if whole <= 0:
        return ""
    shares = sorted(((round(100 * seconds / whole), what) for what, seconds in spent.items()), reverse=True)
    return ", ".join(f"{what.replace('-', ' ')} {share}%" for share, what in shares if share)
