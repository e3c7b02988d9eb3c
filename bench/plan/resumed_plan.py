"""What a resumed run may change of its folder's plan: how many processes its cases get, and whether the
machine's peak is measured too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import structs

from bench import devices
from bench.plan import shards, suite_plan
from bench.plan.axes import Value
from bench.plan.suite_plan import Asked
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan
from models.errors import UserError

_MAY_CHANGE = "With --resume only --replicates, --until, --budget and --ceilings may change"
_MOST_SHOWN = 6


def changed(kept: KeptPlan, asked: Asked, where: str) -> KeptPlan:
    """The plan of the folder `where` with the number of processes that is asked for now, if one is.

    Raises UserError for any other option that does not say what the plan says already, so that the command by
    which a run was begun goes on with it too.
    """
    for option, wanted, has in _options(kept, asked):
        if wanted != has:
            raise UserError(
                f"{option} is {_shown(has)} in the plan of {where}, got {_shown(wanted)}. {_MAY_CHANGE}"
            )
    _refuse_other_suite(kept, asked, where)
    if asked.ceilings:
        kept = structs.replace(kept, ceilings=True)
    replicates, until = suite_plan.rule_of(asked)
    if replicates is None and until is None:
        return kept
    if kept.shard is not None and (replicates, until) != (kept.replicates, None):
        raise UserError(
            f"{where} is shard {kept.shard} of a plan with --replicates {kept.replicates}, which must be the "
            "same in all shards. Choose another --out"
        )
    single = kept.single if replicates is None else []
    return structs.replace(kept, replicates=replicates, until=until, single=single, budget_seconds=None)


def _options(kept: KeptPlan, asked: Asked) -> Iterator[tuple[str, object, object]]:
    """Each option that was given: its name, what it asks for, what the plan has."""
    for axis, values in asked.given.items():
        yield f"--{axis}", _resolved(axis, values), {_value(axis, case) for case in kept.cases}
    protocol = suite_plan.protocol_of(kept.protocol, asked.target_ci, asked.time_limit, asked.flush_l2)
    machine = kept.machine.gpu if kept.machine is not None else None
    for option, given, wanted, has in (
        ("--target-ci", asked.target_ci, protocol.target_ci, kept.protocol.target_ci),
        ("--time-limit", asked.time_limit, protocol.time_limit_seconds, kept.protocol.time_limit_seconds),
        ("--step-digest", asked.step_digest, asked.step_digest, kept.step_digest),
        ("--flush-l2", asked.flush_l2, protocol.flush_l2, kept.protocol.flush_l2),
        ("--no-ceilings", None if asked.ceilings else asked.ceilings, False, kept.ceilings),
        ("--gpu", asked.gpu, asked.gpu, kept.gpu or machine),
        ("--lock-clocks", asked.lock_clocks_mhz, asked.lock_clocks_mhz, kept.lock_clocks_mhz),
        ("--shard", asked.shard, shards.read(asked.shard), kept.shard),
        ("--node-name", asked.node_name, asked.node_name, kept.node_name),
    ):
        if given is not None:
            yield option, wanted, has


def _resolved(axis: str, values: Iterable[Value]) -> set[Value]:
    return {devices.auto() if axis == "device" and value == "auto" else value for value in values}


def _value(axis: str, case: Case) -> Value:
    if axis == "input":
        return "x".join(map(str, case.input_shape))
    found: Value = getattr(case, axis)
    return found


def _refuse_other_suite(kept: KeptPlan, asked: Asked, where: str) -> None:
    """UserError where the suite that is named is another one, or the same after its file was edited.

    A file of another name with the same content is no other suite.
    """
    if asked.suite is None:
        return
    now = suite_plan.of_suite(structs.replace(asked, replicates=None, until=None, shard=None))
    is_named_so = asked.suite == kept.suite and not asked.suite.endswith(".toml")
    if set(now.cases) == set(kept.cases) and (is_named_so or now.protocol == kept.protocol):
        if not is_named_so and asked.replicates is None and asked.until is None:
            _refuse_other_rule(kept, now, where)
        return
    if asked.suite != kept.suite:
        raise UserError(f"--suite is {kept.suite} in the plan of {where}, got {asked.suite}. {_MAY_CHANGE}")
    raise UserError(
        f"--suite {asked.suite} with these options no longer matches the plan of {where}. {_MAY_CHANGE}"
    )


def _refuse_other_rule(kept: KeptPlan, now: KeptPlan, where: str) -> None:
    """UserError where a suite's file asks for another number of processes than the folder has: no option
    says which of the two is meant."""
    wanted, has = _rule(now), _rule(kept)
    if wanted != has:
        raise UserError(
            f"{now.suite} asks for {wanted}, and the plan of {where} has {has}: "
            f"pass {wanted} to change the plan, or {has} to keep it"
        )


def _rule(plan: KeptPlan) -> str:
    """As an option."""
    if plan.until is not None:
        return f"--until {100 * plan.until:.4g}%"
    return f"--replicates {plan.replicates}"


def _shown(value: object) -> str:
    if isinstance(value, bool | None):
        return {None: "none", True: "yes", False: "no"}[value]
    if not isinstance(value, set):
        return str(value)
    names = sorted(map(str, value))
    return ", ".join(names[:_MOST_SHOWN]) + (", ..." if len(names) > _MOST_SHOWN else "")
