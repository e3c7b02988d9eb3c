"""What an inconclusive row asks for, in numbers and in words."""

from __future__ import annotations

from bench.stats.verdicts import ONE_PROCESS
from reports.analysis.further_processes import times, told
from reports.compare.comparison_rows import ReplicationUnit, WhatDecides
from reports.compare.judging import Judgement

_FEWEST = 2
"""Processes on a side that say how processes differ."""


def what_decides(
    judgement: Judgement, unit: ReplicationUnit, seconds: tuple[float | None, float | None]
) -> WhatDecides | None:
    """None for a row that is decided, and for one of which no number of processes is known to decide it.

    `seconds` are those of a process of BASE and of NEW. A side of one process asks for a second one: how many
    more is seen then.
    """
    if judgement.several is not None:
        return None  # more machines, which no command adds
    base, new = seconds
    verdict, found = judgement.verdict, judgement.deciding
    each = None if base is None or new is None else base + new
    of: ReplicationUnit = "run" if unit == "run" else "pair" if judgement.paired else "process"
    if found is not None:
        taken = None if of == "run" else times(found.more, each, servers=2)
        return WhatDecides(more=found.more, of=of, target=found.target, seconds=taken)
    if verdict.reason != ONE_PROCESS:
        return None
    lacking = _FEWEST - min(verdict.n_base, verdict.n_new)
    return WhatDecides(more=lacking, of=of, seconds=None if of == "run" else times(lacking, each, servers=2))


def in_words(found: WhatDecides) -> str:
    """`4 more for 3.1%, about 50 s`, `12 more pairs for 2.0%`, `at least 1 more`, `more than 50`"""
    if found.more is None:
        return told(None, None)
    of = {"process": "", "pair": " pair", "run": " run"}[found.of]
    plural = "s" if of and found.more > 1 else ""
    if found.target is None:
        return f"at least {told(found.more, found.seconds, f'more{of}{plural}')}"
    return told(found.more, found.seconds, f"more{of}{plural} for {100 * found.target:.1f}%")
