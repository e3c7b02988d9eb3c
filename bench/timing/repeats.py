"""How many steps make a sample of each clock, and how few samples make a window; arithmetic alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.schema.case import MeasurementProtocol

_EVENTS_RESOLVE_SECONDS = 100e-6
"""Below this, device times are averages over several steps: a pair of events resolves about 0.5 us."""
_MOST_DEVICE_REPEATS = 10
"""More would fill the driver's launch queue (about a thousand kernels) and stall the host in the window."""
_WALL_SECONDS, _FEWEST_WALL_REPEATS, _MOST_WALL_REPEATS = 50e-3, 5, 1000
"""A sample of wall time holds the way to its first kernel, which is no part of a step in a row: it spans so
much that this is noise."""
_PHASES_SECONDS, _MOST_PHASE_REPEATS = 10e-3, 50
"""By wall time each phase is waited for, so that rounds of them hold the way to the first kernel anyway."""
_FEWEST_SAMPLES = 6
"""Fewer have no 95% interval."""

_PROCESS_SECONDS, _OTHER_STEPS = 1.0, 4
"""What a process costs before it has a sample: to fork it, build the network and make inputs, and steps that
are no samples (the warm-up)."""
_SCATTER_RATIO = 2.0
"""pi/2 x the variance of samples within a process / that of processes: what a sample more in each process
takes off the variance of a figure, against a process more."""


@dataclass(frozen=True)
class Repeats:
    """What one sample of a clock holds: whole steps, rounds of the phases, and ahead of the steps and of each
    round steps that nobody measures."""

    whole: int = 1
    phases: int = 1
    ahead: int = 0

    def steps(self, *, phased: bool) -> int:
        """All that run for one sample; rounds of phases only where the step has some."""
        return self.whole + self.ahead + (self.phases * (1 + self.ahead) if phased else 0)


def repeats_of(
    step_seconds: float, device_seconds: float, ahead: int, *, alone: bool = False
) -> dict[str, Repeats]:
    """By clock, on a queue: of a step that takes so long by wall time and by the device's, whose device time
    needs so many steps ahead. Where each must be `alone`, for what is done untimed ahead of it, there is
    one."""
    if alone:
        return {"device_time": Repeats(ahead=ahead), "wall_time": Repeats(), "host_time": Repeats()}
    on_device = _repeats(_EVENTS_RESOLVE_SECONDS, device_seconds, _MOST_DEVICE_REPEATS)
    by_wall = max(_FEWEST_WALL_REPEATS, _repeats(_WALL_SECONDS, step_seconds, _MOST_WALL_REPEATS))
    return {
        "device_time": Repeats(on_device, on_device, ahead),
        "wall_time": Repeats(by_wall, _repeats(_PHASES_SECONDS, step_seconds, _MOST_PHASE_REPEATS)),
        "host_time": Repeats(),
    }


def _repeats(wanted_seconds: float, step_seconds: float, most: int) -> int:
    return math.ceil(min(most, wanted_seconds / max(step_seconds, 1e-9)))


def enough_samples(protocol: MeasurementProtocol, sample_seconds: float) -> int:
    """Before a pass may end: `min_samples`, or, where the protocol has `fewest_samples`, so many that seconds
    spent on further processes narrow a figure more than seconds spent on further samples.

    Kalibera and Jones (2013): sqrt(cost of a process / cost of a sample x the ratio of the two variances).
    Half as many or twice as many cost at most 6% of the width.
    """
    if protocol.fewest_samples is None:
        return protocol.min_samples
    process_in_samples = _PROCESS_SECONDS / max(sample_seconds, 1e-9) + _OTHER_STEPS
    best = round(math.sqrt(_SCATTER_RATIO * process_in_samples))
    return min(max(best, protocol.fewest_samples), protocol.min_samples)


def enough_on_queue(protocol: MeasurementProtocol, sample_seconds: float) -> int:
    """On a queue, where a sample of long steps takes several of them: no more than fit into the protocol's
    seconds either, but an interval's worth.

    Each clock is given what it would need alone. The clocks share the process, so that of three the best is
    1 / sqrt(3) of this, which costs at most 4% of the width.
    """
    fitting = int(protocol.sampling_seconds / max(sample_seconds, 1e-9))
    return min(enough_samples(protocol, sample_seconds), max(fitting, _FEWEST_SAMPLES))
