"""`plan.json` beside a run's records: written before the first of them, read by `run --resume`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import structs

from bench.plan import checked_plan, feasibility, plan_processes, resumed_plan, suite_plan
from bench.plan.suite_plan import Asked
from bench.runner import machines
from bench.schema.case import Case
from bench.schema.kept_plan import PLAN_SCHEMA, KeptPlan, Machine
from bench.store import RECORDS, Store, read_json, read_records, write_json
from models.errors import UserError

PLAN = "plan.json"


def read(directory: Path) -> KeptPlan | None:
    """The plan that the folder keeps; None where it has none, as folders of before.

    Raises UserError, in one sentence, for a file that is no plan, is of a newer convbench, or plans what
    could not have been planned.
    """
    path = directory / PLAN
    remedy = ". Delete it and give --resume the options of the first command"
    plan = read_json(path, KeptPlan, PLAN_SCHEMA, remedy)
    if plan is not None:
        checked_plan.refuse_impossible(plan, str(path))
    return plan


def plan_for(asked: Asked, directory: Path, *, resume: bool) -> KeptPlan:
    """What a run in this folder is to measure: what is asked for, or what the folder keeps where it resumes.

    Raises UserError for what neither can be, and where a folder without a plan, or without a run, is resumed
    by nothing but its name.
    """
    kept = read(directory) if resume else None
    if kept is not None:
        return resumed_plan.changed(kept, asked, str(directory))
    if resume and not asked.names_a_plan():
        if not (directory / RECORDS).exists():
            raise UserError(
                f"{directory} is not a run folder (no {RECORDS}). Give the folder that --out named"
            )
        raise UserError(
            f"{directory} has no {PLAN}. Give --resume the suite or the options of the first command"
        )
    return suite_plan.of_suite(asked)


def refuse_other_shard(directory: Path, plan: KeptPlan | None) -> None:
    """UserError where training runs that are resumed here are a shard, or would be one now, of another plan
    than this."""
    if not (directory / RECORDS).exists():
        return
    kept = read_json(directory / PLAN, KeptPlan, PLAN_SCHEMA, ". Train into another --out")
    began_with = None if kept is None or kept.shard is None else structs.replace(kept, machine=None)
    if began_with != plan:
        what = "no shard" if began_with is None else f"shard {began_with.shard} of a plan"
        raise UserError(
            f"{directory} was begun as {what}. --resume needs --shard and the other options of the first "
            "command"
        )


def pending(plan: KeptPlan, directory: Path) -> list[Case]:
    """The processes that a resumed run in this folder begins with."""
    file = directory / RECORDS
    return feasibility.pending(plan_processes.of_plan(plan), read_records(file) if file.exists() else ())


def write(directory: Path, plan: KeptPlan) -> None:
    """Put the plan into the folder, whole and through to the disk. UserError where that is refused."""
    write_json(directory / PLAN, plan)


def on_this_machine(
    plan: KeptPlan, resumed: Store | None, recorded: Machine | None, planned: Iterable[Case]
) -> KeptPlan:
    """The plan with the machine that it is run on. UserError where it was begun on another one: the plan's,
    or that of the `recorded`."""
    now = machines.here(plan.gpu, planned)
    if resumed is not None:
        machines.refuse_other(resumed.directory, plan.machine or recorded, now)
    return structs.replace(plan, machine=plan.machine or now)
