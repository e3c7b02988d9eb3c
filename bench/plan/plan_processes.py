"""The processes that a plan begins with, and what it asks for then."""

from __future__ import annotations

from bench.plan import expand
from bench.plan.suite import first_processes
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan


def of_plan(plan: KeptPlan) -> list[Case]:
    """In the order of measuring: the ceilings, then round after round."""
    count = first_processes(plan.until) if plan.until is not None else plan.replicates
    assert count is not None
    ordered = expand.but_for(plan.single, expand.interleave_replicates(plan.cases, count))
    return expand.with_ceilings(ordered) if plan.ceilings else ordered


def waited_for(plan: KeptPlan) -> list[Case]:
    """The cases whose intervals decide how many processes they get; each once."""
    return [] if plan.until is None else [case for case in plan.cases if case not in plan.single]
