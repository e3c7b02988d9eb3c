"""Joules of a step of one rank: steps that all ranks make together, between two readings of its counter."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.child.ranks.rank_agreement import Agreement
from bench.contracts.device import Device
from bench.contracts.energy_source import EnergySource
from bench.contracts.rank_strategy import RankSteps
from bench.probes.energy import STANDS_STILL

SHARED_COUNTER = "the counter is that of the whole host, and another rank reads it"
_TICK_SECONDS = 2.0
"""So long a counter is waited for that moves in ticks."""
_POLL_SECONDS = 1e-3


def joules_of_a_step(
    steps: RankSteps,
    device: Device,
    agreement: Agreement,
    source: EnergySource,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[float | None, str]:
    """(J, "") or (None, why), with the idle power of the device in it. All ranks call it together.

    Where no rank has a counter no step is made. Rank 0 decides when at least `seconds` are over. Both
    readings wait for a tick of the counter, with the device at rest: that costs a window of 10 s up to two
    ticks, 2%.
    """
    if not seconds:
        return None, "not asked for: the protocol's energy_seconds is 0"
    agreement.barrier()
    before = _at_a_tick(source, device, sleep)
    if not any(agreement.slowest((float(before is not None),))):
        return None, source.why_absent or STANDS_STILL
    began, made, more = device.clock(), 0, 1.0
    while more:
        steps.step()
        device.synchronise()
        made += 1
        (more,) = agreement.order((float(device.clock() - began < seconds),))
    after = _at_a_tick(source, device, sleep)
    if before is None or after is None:
        return None, source.why_absent or STANDS_STILL
    return (after - before) / made, ""


def _at_a_tick(source: EnergySource, device: Device, sleep: Callable[[float], None]) -> float | None:
    """The counter when it has just moved; None where it does not."""
    first = source.joules()
    limit = device.clock() + _TICK_SECONDS
    while first is not None and device.clock() < limit:
        now = source.joules()
        if now != first:
            return now
        sleep(_POLL_SECONDS)
    return None
