"""Steps toward slower that a later one took back: a clock that was locked for some nights, a fixed commit."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from bench.stats.run_series import Shift
from reports.over_time.trended import ToldChange


def with_reverted(told: Sequence[ToldChange]) -> tuple[ToldChange, ...]:
    """The same, where a step toward slower and the one that took it back know each other; the oldest first.

    Who answered for a step answered for its end too. What got faster and slower again is no such pair: the
    second is as bad as any other step.
    """
    found, lasting = list(told), list[int]()
    for at, change in enumerate(told):
        if change.what == "drift" or not change.is_confirmed:
            continue
        if lasting and takes_back(told[lasting[-1]].shift, change.shift):
            before = lasting.pop()
            slower = told[before]
            found[before] = structs.replace(slower, reverted=change)
            answer = change.acknowledged or slower.acknowledged
            found[at] = structs.replace(change, reverts=slower.at, acknowledged=answer)
        else:
            lasting.append(at)
    return tuple(found)


def takes_back(slower: Shift, faster: Shift) -> bool:
    """Whether both can be of one size: their intervals overlap, of which one is mirrored."""
    return (
        slower.log_ratio > 0 > faster.log_ratio and -faster.high <= slower.high and slower.low <= -faster.low
    )
