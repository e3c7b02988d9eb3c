"""Ends the jobs of a fleet from its files, also when nothing else is left of the command that submitted
them."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.contracts.executor import Executor, Submitted, Unreachable
from bench.fleet import job_files, node_states
from bench.fleet.job_files import JobFiles
from bench.schema.fleet_plan import FleetPlan, NodeState


def cancel(folder: Path, plan: FleetPlan, executor: Executor) -> tuple[tuple[NodeState, ...], int]:
    """How the nodes stand afterwards, and how many jobs were ended.

    A command that still submits jobs of this fleet submits no more. Raises Unreachable where the scheduler
    does not answer, and UserError where the folder refuses.
    """
    job_files.mark_cancelled(folder)
    open_ = [each for each in (_last(jobs, folder) for jobs in job_files.kept_jobs(folder).values()) if each]
    known = executor.states(open_) if open_ else {}
    alive = [each for each in open_ if each.job.name in known and known[each.job.name].phase != "ended"]
    end(folder, alive, executor)
    return node_states.states_of(folder), len(alive)


def end(folder: Path, alive: list[Submitted], executor: Executor) -> None:
    """Cancel jobs, and keep that a person wanted it: first on the disk, for whoever watches them."""
    before = {name: JobFiles(folder, name).seen() for name in (each.job.name for each in alive)}
    for each in alive:
        now = {"id": each.id, "phase": "ended", "end": "cancelled", "word": "", "reason": ""}
        seen = structs.replace(before[each.job.name], **now)
        JobFiles(folder, each.job.name).write_seen(seen)
    try:
        if alive:
            executor.cancel(alive)
    except Unreachable:
        for name, seen in before.items():
            JobFiles(folder, name).write_seen(seen)
        raise


def _last(jobs: list[job_files.KeptJob], folder: Path) -> Submitted | None:
    """The last job of a node, unless it is known to be over."""
    job = jobs[-1]
    files = JobFiles(folder, job.name)
    if node_states.is_settled(job, files.seen(), files.exit_code):
        return None
    return job_files.submitted(folder, job)
