"""A line of block characters, a few cells wide; `bench/cli/streams.py` says what stands for them in ASCII."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], cells: int, least_range: float) -> str:
    """Each cell is the median of as many values as the others, at most one off, in their order.

    The height is the range of the cells, or `least_range` around their middle where that is more: noise that
    filled the height would look like a change.
    """
    if not values:
        return ""
    count = min(cells, len(values))
    ends = [len(values) * at // count for at in range(count + 1)]
    found = [median(values[first:last]) for first, last in itertools.pairwise(ends)]
    low, high = min(found), max(found)
    reach = max(high - low, least_range)
    low = (low + high - reach) / 2
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round((each - low) / reach * top) if reach else top // 2] for each in found)
