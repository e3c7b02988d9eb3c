"""Simulated runs whose truth is known: cases whose processes scatter, on machines that differ.

Drawn up after what was measured on shared two-core machines. The standard deviation between the processes
of a case is lognormal (the middle 95% from about 0.35 to 5%) and goes with that of the samples within a
process (correlation 0.5 to 0.8). Machines differ in both together (by 40%) and in that between processes
alone (by 35%). A tenth of the cases have two kinds of processes, 3 to 10% apart; in another tenth one
process in ten is slow, by three standard deviations; a third have tails like those of t4. Neighbouring
samples are alike (lag-1 correlation 0.2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Random = np.random.Generator
CORRELATION_OF_SAMPLES = 0.2


class World(NamedTuple):
    """Runs, cases and processes: the first, second and third axis. Of logs, whose true centre is 0.

    medians  of each process's samples
    within   variance of each process's samples
    samples  in each process
    sd       of each case: the true standard deviation of a process's median (no third axis)
    """

    medians: Array
    within: Array
    samples: int
    sd: Array

    def only(self, start: int, stop: int) -> World:
        """These processes of every case."""
        return self._replace(medians=self.medians[..., start:stop], within=self.within[..., start:stop])

    def noisiest_fifth(self) -> NDArray[np.bool_]:
        """Which cases scatter most, of all."""
        loud: NDArray[np.bool_] = self.sd >= np.quantile(self.sd, 0.8)
        return loud


def world(
    random: Random, runs: int, cases: int, processes: int, samples: int = 5, noise: float = 1.0
) -> World:
    """`noise` is how many times as much processes scatter, at the same scatter within, as is usual."""
    correlation = random.choice([0.5, 0.65, 0.8], (runs, 1))
    machine = random.lognormal(0.0, 0.4, (runs, 1))
    between_alone = noise * random.lognormal(0.0, 0.35, (runs, 1))
    shared, own = random.standard_normal((2, runs, cases))
    within = 0.02 * machine * np.exp(0.6 * shared)
    mixed = correlation * shared + np.sqrt(1 - correlation**2) * own
    between = 0.0134 * machine * between_alone * np.exp(0.65 * mixed)
    effects, variance = _effects(random, between, processes, noise)
    taken = _samples(random, (runs, cases, processes, samples)) * within[..., np.newaxis, np.newaxis]
    of_median = _median_variance(samples) * within**2
    return World(
        effects + np.median(taken, axis=-1), taken.var(-1, ddof=1), samples, np.sqrt(variance + of_median)
    )


def _effects(random: Random, between: Array, processes: int, noise: float) -> tuple[Array, Array]:
    """What each process adds to the logs of its samples, and the variance of that for each case."""
    shape = (*between.shape, processes)
    kind = random.random(between.shape)
    two_kinds, now_and_then_slow, heavy = kind < 0.1, (kind >= 0.1) & (kind < 0.2), kind > 2 / 3
    effects = np.where(
        heavy[..., np.newaxis],
        random.standard_t(4, shape) / math.sqrt(2),
        random.standard_normal(shape),
    )
    slow = (random.random(shape) < 0.1) - 0.1
    effects = between[..., np.newaxis] * (effects + 3 * slow * now_and_then_slow[..., np.newaxis])
    gap = noise * random.uniform(0.03, 0.10, between.shape) * two_kinds
    share = random.choice([0.2, 0.5], between.shape)
    jumps = (random.random(shape) < share[..., np.newaxis]) - share[..., np.newaxis]
    variance = between**2 * np.where(now_and_then_slow, 1.81, 1.0) + gap**2 * share * (1 - share)
    return effects + gap[..., np.newaxis] * jumps, variance


def _samples(random: Random, shape: tuple[int, ...]) -> Array:
    """Of unit variance; each keeps a part of the deviation of the one before it."""
    logs = random.standard_normal(shape)
    kept = CORRELATION_OF_SAMPLES
    for step in range(1, shape[-1]):
        logs[..., step] = kept * logs[..., step - 1] + math.sqrt(1 - kept**2) * logs[..., step]
    return logs


def _median_variance(samples: int) -> float:
    """Of the median of so many of these samples, by drawing 20,000 of it."""
    drawn = _samples(np.random.default_rng(samples), (20_000, samples))
    return float(np.median(drawn, axis=-1).var())
