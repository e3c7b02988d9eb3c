"""Training runs by their seeds: a value for each, and which of them diverged."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from bench.schema.case import Case
from bench.stats.estimates import mean
from reports.summary.figures import FailedProcesses


def by_seed(case: Case, replicates: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    """Seed -> value, in the order of the seeds.

    A seed that was trained twice has the mean of both: it is one draw of weights and order, not two.
    """
    of_seed: dict[int, list[float]] = {}
    for replicate, value in sorted(zip(replicates, values, strict=True)):
        of_seed.setdefault(structs.replace(case, replicate=replicate).learning_seed, []).append(value)
    return {seed: mean(found) for seed, found in of_seed.items()}


def diverged(outcomes: Sequence[FailedProcesses]) -> dict[Case, frozenset[int]]:
    """The numbers of the processes that diverged, for each case that has some."""
    found: dict[Case, frozenset[int]] = {}
    for outcome in outcomes:
        if outcome.status == "diverged":
            found[outcome.case] = found.get(outcome.case, frozenset()).union(outcome.replicates)
    return found
