"""A suite: blocks of cases, how often and how carefully they are measured."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bench.plan.axes import Value
from bench.schema.case import MeasurementProtocol

Block = Mapping[str, tuple[Value, ...]]
"""Axis -> values; the product of them is measured. An absent axis takes the usual value."""


FIRST_PROCESSES = 2
FIRST_OF_NARROW = 3
MOST_PROCESSES = 10
"""Of a case, whatever its interval."""
NARROW = 0.05
"""Below this target a case has one process more before its interval is looked at: docs/method.md."""


def first_processes(until: float) -> int:
    """Processes of each case before its interval is looked at."""
    return FIRST_OF_NARROW if until < NARROW else FIRST_PROCESSES


class Suite(Struct, frozen=True, kw_only=True):
    """Blocks of cases. The first is the suite's main one: naming an axis on the command line makes the plan
    the product of the given values and the rest of this block.

    replicates  processes for each case of `blocks`; with `until` those that come first
    until       half width (relative) of its interval until which a case gets more processes; None: no more
    once        blocks whose cases are so slow that the suite has time for one process of each only
    ceilings    whether what the machine can do is measured first
    limit_minutes  that it takes at most by the estimate, on a usual device of its scale (two cores of a CPU),
                as its summary says in words. None where nothing is promised
    """

    name: str
    summary: str
    blocks: tuple[Block, ...]
    replicates: int
    until: float | None = None
    once: tuple[Block, ...] = ()
    ceilings: bool = False
    limit_minutes: float | None = None
    protocol: MeasurementProtocol = MeasurementProtocol()


USUAL: Block = {
    "workload": ("inference",),
    "device": ("auto",),
    "precision": ("fp32",),
    "engine": ("eager",),
    "layout": ("nchw",),
    "tuning": ("",),
    "batch": (1,),
    "seed": (0,),
}
"""What an absent axis means; image, channels and classes are the network's own, threads the usable cores."""
