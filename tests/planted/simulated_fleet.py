"""Simulated fleets: the true log ratio of each unit to the fleet's centre, and what processes of it show.

Units spread normally; those that are planted are exactly so far off the centre as asked. The centre is that
of the units there are, not of those that might have been: what is slow is slow beside this fleet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.stats.confirmed_ratios import Remeasured, confirm, references_of, rounds_needed
from bench.stats.fleet_arithmetic import robust_centre
from bench.stats.fleet_ratios import MARGIN, ConfirmedRatio, FleetRatios, judge

Array = NDArray[np.float64]

PLANTED = (0.05, 0.05, 0.05, 0.03)
"""Three units that are 5% slow and one that is 3% slow, the margin."""
GPUS_OF_A_NODE = 8
TESTS, PROCESSES = 12, 3
SPREAD, PROCESS_SD = 0.01, 0.01


class SimulatedFleet(NamedTuple):
    """What is true of a fleet.

    ratios   log ratio of each unit to the centre; the planted units come first
    tests    log of the time of each test at the centre, in s
    own      units x tests: what a test of a unit has that its other tests have not
    noise    units x tests: standard deviation of the log of a process median
    shared   standard deviation of what all tests of a unit share in a round
    """

    ratios: Array
    tests: Array
    own: Array
    noise: Array
    shared: float

    @property
    def nodes(self) -> list[int]:
        return [unit // GPUS_OF_A_NODE for unit in range(len(self.ratios))]

    def measured(self, rng: np.random.Generator, units: Sequence[int] | slice, rounds: int) -> Array:
        """units x tests x rounds: log medians."""
        noise = self.noise[units]
        scatter = rng.normal(size=(*noise.shape, rounds)) * noise[..., np.newaxis]
        scatter += rng.normal(0, self.shared, (len(noise), 1, rounds)) if self.shared else 0.0
        level = self.ratios[units][:, np.newaxis] + self.own[units] + self.tests
        found: Array = level[..., np.newaxis] + scatter
        return found

    def too_slow(self, margin: float = MARGIN) -> set[int]:
        """Units that are truly beyond the margin; naming any other is an error."""
        return set(np.flatnonzero(self.ratios > math.log1p(margin) + 1e-12).tolist())


def simulated_fleet(
    rng: np.random.Generator,
    units: int,
    *,
    planted: Sequence[float] = PLANTED,
    spread: float = SPREAD,
    tests: int = TESTS,
    noise: Array | float = PROCESS_SD,
    own: float = 0.0,
    shared: float = 0.0,
) -> SimulatedFleet:
    """A fleet of `units`, of which the first are so much slower (a share) than the centre as `planted`."""
    ratios = rng.normal(0, spread, units)
    ratios[: len(planted)] = np.log1p(np.array(planted, float))
    for _ in range(
        20 if units > 1 else 0
    ):  # the units that are not planted move until the centre of all is at 0
        ratios[len(planted) :] -= robust_centre(ratios[:, np.newaxis]).values[0]
    ways = rng.normal(0, own, (units, tests)) if own else np.zeros((units, tests))
    return SimulatedFleet(
        ratios=ratios,
        tests=rng.normal(-5, 1.5, tests),
        own=ways - ways.mean(1, keepdims=True),
        noise=np.broadcast_to(np.asarray(noise, float), (units, tests)),
        shared=shared,
    )


class Found(NamedTuple):
    """What judging a fleet twice found; `confirmed` are of the suspects."""

    first: FleetRatios
    rounds: int
    confirmed: tuple[ConfirmedRatio, ...]

    @property
    def slow(self) -> set[int]:
        return {each.unit for each in self.confirmed if each.slow}


def judged_twice(rng: np.random.Generator, fleet: SimulatedFleet, processes: int = PROCESSES) -> Found:
    """The first run of a fleet, then its suspects again, as `fleet confirm` does."""
    first = judge(fleet.measured(rng, slice(None), processes), fleet.nodes)
    pairs = [(unit, references_of(first, unit, "seed")) for unit in first.suspects]
    if not pairs:
        return Found(first, 0, ())
    rounds = rounds_needed(first, pairs)
    again = [
        Remeasured(unit, references, fleet.measured(rng, [unit, *references], rounds))
        for unit, references in pairs
    ]
    return Found(first, rounds, confirm(first, again))
