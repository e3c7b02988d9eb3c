"""Which cases cannot run, and which are still to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench import devices, engines, strategies
from bench.schema import tuning
from bench.schema.case import Case
from bench.schema.record import Record, Status
from models import catalogue
from models.errors import UserError

ACCIDENTS: tuple[Status, ...] = ("crashed", "timeout")
"""They may not repeat themselves; the other statuses are answers."""


def why_impossible(case: Case) -> str | None:
    """A sentence when the case contradicts itself, whatever the machine."""
    device = devices.get(case.device)
    refused = device.why_unsupported(case)
    if case.workload == "ceiling":  # has neither an engine nor a network
        return refused
    engine = engines.get(case.engine)
    return (
        refused
        or engine.why_unsupported(case, device.traits)
        or tuning.why_unsupported(case, compiles=engine.compiles, of_device=device.traits.tunings)
        or catalogue.why_impossible(case.model, case.channels, case.image, case.classes, case.input)
        or (strategies.get(case.strategy).why_not(case) if case.strategy else None)
    )


def is_possible(case: Case) -> bool:
    """Whether a case does not contradict itself."""
    return why_impossible(case) is None


def why_not_here(case: Case) -> str | None:
    """What is known without torch against running a case on this machine, in a sentence."""
    return devices.get(case.device).why_absent() or why_impossible(case)


def refuse_impossible(planned: Sequence[Case], *, is_here: bool = True) -> None:
    """UserError where none of the processes can run on this machine, as far as is known without torch; or,
    unless `is_here`, on any machine."""
    reasons = [why_not_here(case) if is_here else why_impossible(case) for case in planned]
    if reasons and all(reasons):
        raise UserError(none_can_run(planned, str(reasons[0]), "this machine" if is_here else "any machine"))


def none_can_run(planned: Sequence[Case], reason: str, where: str = "this machine") -> str:
    """The sentence for a plan of which nothing can run; `reason` is that of the first process."""
    cases = len(set(map(Case.without_replicate, planned)))
    which = "the case cannot run" if cases == 1 else f"none of the {cases} cases can run"
    on_host = any(devices.traits(case.device).is_host for case in planned)
    hint = "" if on_host else ". Try --device cpu, or run `convbench doctor`"
    return f"{which} on {where}: {reason}{hint}"


def is_retried(record: Record) -> bool:
    """Whether `--resume` runs a case again: after an accident, and where a network was refused before
    anything was measured, which a change of the user's file may mend."""
    return record.status in ACCIDENTS or (record.status == "invalid" and not record.measurements)


def pending(planned: Sequence[Case], records: Iterable[Record]) -> list[Case]:
    """What is still to do, in its order; the last record of a case counts."""
    is_open = {record.case: is_retried(record) for record in records}
    return [case for case in planned if is_open.get(case, True)]
