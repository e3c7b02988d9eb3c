"""A suite and the axes that were given -> what is run; UserError before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from bench import devices
from bench.host import cpu_cores
from bench.plan import axes, expand, feasibility, named_suites, plan_processes, shards
from bench.plan.axes import Value
from bench.plan.suite import Block, Suite
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan, Shard
from models.errors import UserError

USUAL_SUITE = "quick"


def usual_protocol(device: str) -> MeasurementProtocol:
    """How carefully the usual suite measures where this device is what `auto` takes."""
    return named_suites.find(USUAL_SUITE, device).protocol


class Asked(Struct, frozen=True, kw_only=True):
    """What a run was asked for, by a program or in the texts of a command line. None leaves a thing to the
    suite, or to the plan of the folder that is resumed.

    given         the axes that were named
    gpu           full UUID
    gpus_at_once  those that the same command measures at the same time
    shard         `I/N`
    """

    suite: str | None = None
    given: Mapping[str, tuple[Value, ...]] = {}
    replicates: object = None
    until: object = None
    target_ci: object = None
    time_limit: object = None
    flush_l2: bool | None = None
    ceilings: bool | None = None
    gpu: str | None = None
    lock_clocks_mhz: int | None = None
    step_digest: bool | None = None
    gpus_at_once: int = 1
    shard: str | None = None
    node_name: str | None = None

    def names_a_plan(self) -> bool:
        """Whether it says what to measure."""
        return self.suite is not None or bool(self.given)


def of_suite(asked: Asked, elsewhere: str | None = None) -> KeptPlan:
    """The plan of `convbench run`. A whole suite begins with its ceilings unless told not to.

    `elsewhere` is the device that `auto` takes on the machines that run the plan, where this one does not.
    UserError also where the L2 is to be written over on a device whose L2 is not known.
    """
    if not isinstance(asked.ceilings, bool | None):
        raise UserError(f"ceilings must be true or false, got {asked.ceilings!r}")
    name = asked.suite or USUAL_SUITE
    suite = named_suites.find(name, devices.auto()) if elsewhere is None else _found_on(elsewhere, name)
    cases = cases_of(suite, asked.given, is_here=elsewhere is None)
    replicates, until = _rule(asked, suite)
    shard = shards.read(asked.shard)
    if shard is not None and until is not None:
        raise UserError(shards.needs_a_number(None if asked.until is not None else name))
    protocol = protocol_of(suite.protocol, asked.target_ci, asked.time_limit, asked.flush_l2)
    if elsewhere is None:
        refuse_flush(protocol, cases)
    is_whole = not expand.is_product(asked.given)
    plan = KeptPlan(
        suite=name,
        cases=cases,
        single=_single(suite, asked) if is_whole else [],
        ceilings=(suite.ceilings and is_whole) if asked.ceilings is None else asked.ceilings,
        auto=expand.left_to_auto(suite, asked.given),
        protocol=protocol,
        replicates=replicates,
        until=until,
        budget_seconds=_promised_seconds(suite) if is_whole and rule_of(asked) == (None, None) else None,
        step_digest=bool(asked.step_digest),
        gpu=asked.gpu,
        lock_clocks_mhz=asked.lock_clocks_mhz,
        gpus_at_once=asked.gpus_at_once,
        node_name=asked.node_name,
    )
    return plan if shard is None else _one_shard(plan, shard)


def _one_shard(plan: KeptPlan, shard: Shard) -> KeptPlan:
    """The plan for one of the machines that share it."""
    shards.refuse_empty(plan_processes.of_plan(structs.replace(plan, ceilings=False)), shard)
    return structs.replace(plan, shard=shard)


def _rule(asked: Asked, suite: Suite) -> tuple[int | None, float | None]:
    """`rule_of`, with the suite's own where nothing was asked for."""
    replicates, until = rule_of(asked)
    if replicates is None and until is None:
        return (suite.replicates, None) if suite.until is None else (None, suite.until)
    return replicates, until


def _found_on(device: str, name: str) -> Suite:
    """The suite as it is on machines with this device, which it names wherever it has `auto`."""
    suite = named_suites.find(name, device)

    def named(block: Block) -> Block:
        asked = block.get("device", ("auto",))
        return {**block, "device": tuple(device if each == "auto" else each for each in asked)}

    return structs.replace(suite, blocks=tuple(map(named, suite.blocks)), once=tuple(map(named, suite.once)))


def _single(suite: Suite, asked: Asked) -> list[Case]:
    """The cases of a whole suite for which one process is enough; none where a number was asked for."""
    if asked.replicates is not None:
        return []
    return expand.of_one_process(suite, asked.given, cpu_cores.usable_cores())


def _promised_seconds(suite: Suite) -> float | None:
    """In which a suite ends that looks at intervals."""
    return None if suite.until is None or suite.limit_minutes is None else 60 * suite.limit_minutes


def rule_of(asked: Asked) -> tuple[int | None, float | None]:
    """The number of processes and the target that were asked for, of which one at most is not None."""
    if asked.replicates is not None and asked.until is not None:
        raise UserError(
            "give --replicates (a fixed number of processes) or --until (as many as the interval needs), "
            "not both"
        )
    if asked.replicates is not None:
        return axes.whole_number("--replicates", asked.replicates, 1, 1000), None
    return None, None if asked.until is None else axes.positive_number("--until", asked.until, 1.0)


def cases_of(suite: Suite, given: Mapping[str, tuple[Value, ...]], *, is_here: bool = True) -> list[Case]:
    """The plan's cases; UserError when none of them can run here as far as is known without torch, or, unless
    `is_here`, on any machine."""
    cases = expand.cases(suite, given, cpu_cores.usable_cores())
    feasibility.refuse_impossible(cases, is_here=is_here)
    return cases


def protocol_of(
    protocol: MeasurementProtocol, target_ci: object, time_limit: object, flush_l2: object = None
) -> MeasurementProtocol:
    """The suite's protocol with what was given in its place; None leaves it."""
    if flush_l2 is not None:
        if not isinstance(flush_l2, bool):
            raise UserError(f"flush_l2 must be true or false, got {flush_l2!r}")
        protocol = structs.replace(protocol, flush_l2=flush_l2)
    if target_ci is not None:
        protocol = structs.replace(protocol, target_ci=axes.positive_number("--target-ci", target_ci, 1.0))
    if time_limit is not None:
        limit = axes.seconds("--time-limit", time_limit, 1e7)
        protocol = structs.replace(protocol, time_limit_seconds=limit)
    return protocol


def refuse_flush(protocol: MeasurementProtocol, cases: Iterable[Case]) -> None:
    """UserError where the L2 is to be written over on a device that cannot."""
    for name in dict.fromkeys(case.device for case in cases) if protocol.flush_l2 else ():
        reason = devices.get(name).why_no_flush()
        if reason is not None:
            raise UserError(f"--flush-l2 is not possible on {name}: {reason}")


def seconds_of(budget: object) -> float | None:
    """The budget in seconds, or None."""
    return None if budget is None else axes.seconds("--budget", budget, 1e8)
