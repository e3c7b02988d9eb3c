"""The processes that a plan begins with, and what it asks for then."""

from __future__ import annotations

from bench.plan import expand, shards
from bench.plan.suite import first_processes
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan


def of_plan(plan: KeptPlan) -> list[Case]:
    """In the order of measuring: the ceilings, then round after round.

    Ceilings are not dealt out: the figures of a machine are judged by its own peak. Their replicate is the
    shard's number from 1, so that no two shards have the same process.
    """
    count = first_processes(plan.until) if plan.until is not None else plan.replicates
    assert count is not None
    ordered = expand.but_for(plan.single, expand.interleave_replicates(plan.cases, count))
    number = 1
    if plan.shard is not None:
        ordered, number = shards.of_shard(ordered, plan.shard), plan.shard.index + 1
    return expand.with_ceilings(ordered, number) if plan.ceilings else ordered


def waited_for(plan: KeptPlan) -> list[Case]:
    """The cases whose intervals decide how many processes they get; each once."""
    return [] if plan.until is None else [case for case in plan.cases if case not in plan.single]
