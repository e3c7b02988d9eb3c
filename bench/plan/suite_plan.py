"""A suite and the axes that were given -> what is run; UserError before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from bench import devices
from bench.host import cpu_cores
from bench.plan import axes, expand, feasibility, named_suites
from bench.plan.axes import Value
from bench.plan.suite import Suite
from bench.schema.case import Case, MeasurementProtocol
from models.errors import UserError


class SuitePlan(Struct, frozen=True, kw_only=True):
    """The processes of a suite in their order.

    auto  whether the machine, and not the user, chose the device of any case
    """

    cases: list[Case]
    protocol: MeasurementProtocol
    auto: bool


def of_suite(
    name: str,
    given: Mapping[str, tuple[Value, ...]],
    *,
    replicates: object = None,
    target_ci: object = None,
    time_limit: object = None,
    flush_l2: bool | None = None,
    ceilings: bool | None = None,
) -> SuitePlan:
    """The plan of `convbench run`; numbers are those of a program or the texts of a command line.

    A whole suite begins with its ceilings unless told not to; None leaves a number to the suite.
    UserError also where the L2 is to be written over on a device whose L2 is not known.
    """
    suite = named_suites.find(name, devices.auto())
    cases_of(suite, given)
    count = None if replicates is None else axes.whole_number("--replicates", replicates, 1, 1000)
    protocol = protocol_of(suite.protocol, target_ci, time_limit, flush_l2)
    planned = expand.processes(suite, given, cpu_cores.usable_cores(), count)
    refuse_flush(protocol, planned)
    if (suite.ceilings and not expand.is_product(given)) if ceilings is None else ceilings:
        planned = expand.with_ceilings(planned)
    return SuitePlan(cases=planned, protocol=protocol, auto=expand.left_to_auto(suite, given))


def cases_of(suite: Suite, given: Mapping[str, tuple[Value, ...]]) -> list[Case]:
    """The plan's cases; UserError when none of them can run here as far as is known without torch."""
    cases = expand.cases(suite, given, cpu_cores.usable_cores())
    reasons = [feasibility.why_not_here(case) for case in cases]
    if all(reasons):
        raise UserError(f"nothing of this plan can run here: {reasons[0]}")
    return cases


def protocol_of(
    protocol: MeasurementProtocol, target_ci: object, time_limit: object, flush_l2: object = None
) -> MeasurementProtocol:
    """The suite's protocol with what was given in its place; None leaves it."""
    if flush_l2 is not None:
        if not isinstance(flush_l2, bool):
            raise UserError(f"flush_l2 is true or false, not {flush_l2!r}")
        protocol = structs.replace(protocol, flush_l2=flush_l2)
    if target_ci is not None:
        protocol = structs.replace(protocol, target_ci=axes.positive_number("--target-ci", target_ci, 1.0))
    if time_limit is not None:
        limit = axes.positive_number("--time-limit", time_limit, 1e7)
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
    return None if budget is None else axes.positive_number("--budget", budget, 1e8)
