"""A plan that was read from a folder: whether convbench could have made it."""

from __future__ import annotations

from msgspec import structs

from bench.plan import axes, node_names, shards, suite_file
from bench.plan.axes import AXES
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan
from models.errors import UserError

_MAY_BE_EMPTY = ("input", "tuning")


def refuse_impossible(plan: KeptPlan, where: str) -> None:
    """UserError that begins with `where` for a plan with values that no option and no suite could have given.

    Names are those of the axes: one that is no network, device, engine or file with a factory is refused.
    """
    try:
        for case in plan.cases:
            _check(case)
        _check_rule(plan)
        suite_file.protocol_of_table(structs.asdict(plan.protocol), where)
    except UserError as error:
        raise UserError(f"{where} is not a valid plan: {error}") from error


def _check(case: Case) -> None:
    if case.task is not None:
        raise UserError("it is of training runs. Continue them with the first command and --resume")
    if case.replicate != 1:
        raise UserError(f"{case.id} is not a case of a suite")
    for axis in AXES:
        value = getattr(case, axis)
        if value or axis not in _MAY_BE_EMPTY:
            axes.checked(axis, value)


def _check_rule(plan: KeptPlan) -> None:
    if not plan.cases or len(set(plan.cases)) != len(plan.cases) or not set(plan.single) <= set(plan.cases):
        raise UserError("it has no cases, or a case twice")
    if (plan.replicates is None) == (plan.until is None):
        raise UserError("it needs either replicates or until")
    if plan.replicates is not None:
        axes.whole_number("replicates", plan.replicates, 1, 1000)
    if plan.until is not None:
        axes.positive_number("until", plan.until, 1.0)
    if plan.budget_seconds is not None:
        axes.positive_number("budget_seconds", plan.budget_seconds, 1e8)
    axes.whole_number("gpus_at_once", plan.gpus_at_once, 1, 1000)
    if plan.shard is not None:
        shards.read(str(plan.shard))
        if plan.until is not None:
            raise UserError(shards.needs_a_number(None))
    if plan.node_name is not None:
        node_names.checked(plan.node_name)
    if plan.lock_clocks_mhz is not None:
        axes.whole_number("lock_clocks_mhz", plan.lock_clocks_mhz, 1, axes.MOST_MHZ)
