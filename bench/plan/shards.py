"""Which processes of a plan a shard measures: every machine of several takes some replicates of each case.

Figures of a case then come from all machines as evenly as its replicates allow, so that what differs between
machines is inside its interval. Pure: the deal follows from the plan's processes and the number of shards.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from bench.schema.case import Case
from bench.schema.kept_plan import Shard
from models.errors import UserError

MOST = 10_000
_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


def read(text: str | None) -> Shard | None:
    """`0/4` is the first of four shards, `3/4` the last. Raises UserError."""
    if text is None:
        return None
    found = _SHARD.fullmatch(text)
    if found is None:
        raise UserError(f"--shard must be I/N, from 0/N for the first of N shards, got {text!r}")
    shard = Shard(index=int(found[1]), count=int(found[2]))
    if not 1 <= shard.count <= MOST:
        raise UserError(f"--shard takes 1 to {MOST:,} shards, got {text}")
    if shard.index >= shard.count:
        raise UserError(
            f"--shard counts from 0: of {shard.count} the last is {shard.count - 1}/{shard.count}, got {text}"
        )
    return shard


def needs_a_number(suite: str | None) -> str:
    """Why a shard needs --replicates; `suite` is the one that has a target of its own, None for --until."""
    why = "--until does not fix" if suite is None else f"the suite {suite} does not fix"
    return f"--shard deals out a fixed number of processes, which {why}: give --replicates, e.g. 5"


def refuse_empty(ordered: Sequence[Case], shard: Shard, more: str = "--replicates") -> None:
    """UserError, in every shard alike, where one of them would have nothing to measure; `more` is the option
    that asks for further processes."""
    if len(ordered) < shard.count:
        raise UserError(
            f"--shard {shard}: the plan has only {len(ordered)} processes. Use at most as many shards, "
            f"or more {more}"
        )


def of_shard(ordered: Sequence[Case], shard: Shard) -> list[Case]:
    """The processes of one shard, in the plan's order."""
    dealt = deal(ordered, shard.count)
    return [case for case, index in zip(ordered, dealt, strict=True) if index == shard.index]


def deal(ordered: Sequence[Case], count: int) -> list[int]:
    """The shard of each process of a plan.

    The numbers of processes of two shards differ by one at most, in each case and over all. Which shards get
    the odd ones of a case is drawn, the same on every machine, among those that have the fewest so far:
    taking turns would tie cases to machines.
    """
    places: dict[Case, list[int]] = {}
    for place, case in enumerate(ordered):
        places.setdefault(case.without_replicate(), []).append(place)
    dealt, loads, draw = [0] * len(ordered), [0] * count, random.Random(count)
    for own in places.values():
        whole = len(own) - len(own) % count
        chosen = list(range(count)) * (whole // count)
        drawn = draw.sample(range(count), count)
        drawn.sort(key=loads.__getitem__)  # stable: among equals the drawn order stays
        chosen += sorted(drawn[: len(own) - whole])
        for place, index in zip(own, chosen, strict=True):
            dealt[place] = index
            loads[index] += 1
    return dealt
