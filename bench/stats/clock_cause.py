"""Whether a time differs by the GPU's clock or by the code, as far as that can be known. Pure.

The verdict is on time. In cycles (time x SM clock) a comparison is free of the SM clock, and of nothing
else: the memory has a clock of its own, and code that draws more power lowers the SM clock itself.
docs/method.md, "Cause of a difference".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from bench.schema.window_clocks import WindowClocks
from bench.stats.estimates import centre, mean
from bench.stats.verdicts import TimeWord, Verdict

Cause = Literal["clock", "code", "unknown"]

_HERTZ_PER_MHZ = 1e6


class InCycles(Struct, frozen=True, kw_only=True):
    """What clocks say of a comparison of times; all of it is None where a process's SM clock is not known.

    cause           None also where the times do not differ
    cycles          NEW / BASE in cycles, and `cycles_verdict` the verdict on it
    *_sm_clock      of each side, MHz, over its processes
    *_memory_clock  likewise
    *_power_cap     share of the readings at work under a power cap, 0 to 1
    """

    cause: Cause | None = None
    cycles: float | None = None
    cycles_verdict: TimeWord | None = None
    base_sm_clock: float | None = None
    new_sm_clock: float | None = None
    base_memory_clock: float | None = None
    new_memory_clock: float | None = None
    base_power_cap: float | None = None
    new_power_cap: float | None = None


CLOCK_FIELDS = InCycles.__struct_fields__


def cycles_of(seconds: float, clocks: WindowClocks) -> float:
    """SM cycles in this time."""
    return seconds * clocks.sm_mhz * _HERTZ_PER_MHZ


def in_cycles(
    time: Verdict,
    cycles: Verdict,
    base: Sequence[WindowClocks],
    new: Sequence[WindowClocks],
    *,
    compute_bound: bool | None,
    power_capped: bool,
) -> InCycles:
    """The verdict on time beside that on cycles, and the cause; `base` and `new` have a process at least.

    compute_bound  by the ceilings of the runs; None where they are not known
    power_capped   whether a process of either side has the label `power-cap`
    """
    return InCycles(
        cause=cause_of(
            time.verdict,
            cycles.verdict,
            memory_clocks={clocks.memory_mhz for clocks in (*base, *new)},
            compute_bound=compute_bound,
            power_capped=power_capped or any(clocks.power_cap for clocks in (*base, *new)),
        ),
        cycles=cycles.ratio,
        cycles_verdict=cycles.verdict,
        base_sm_clock=centre([clocks.sm_mhz for clocks in base]),
        new_sm_clock=centre([clocks.sm_mhz for clocks in new]),
        base_memory_clock=_mean([clocks.memory_mhz for clocks in base]),
        new_memory_clock=_mean([clocks.memory_mhz for clocks in new]),
        base_power_cap=_mean([clocks.power_cap for clocks in base]),
        new_power_cap=_mean([clocks.power_cap for clocks in new]),
    )


def cause_of(
    time: TimeWord,
    cycles: TimeWord,
    *,
    memory_clocks: set[float | None],
    compute_bound: bool | None,
    power_capped: bool,
) -> Cause | None:
    """`clock` only where nothing else can explain the difference, `code` where cycles differ as time does.

    None where time does not differ. `memory_clocks` are those of all processes, None for one unread.
    """
    if time not in ("faster", "slower"):
        return None
    if cycles == time:
        return "code"
    one_memory_clock = len(memory_clocks) == 1 and None not in memory_clocks
    if cycles == "equivalent" and compute_bound and one_memory_clock and not power_capped:
        return "clock"
    return "unknown"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None
