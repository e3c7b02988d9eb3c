"""How each node of a fleet stands, from the files of its folder alone: no scheduler is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.contracts.executor import JobEnd
from bench.fleet import fleet_folder, job_files
from bench.fleet.coverage import Coverage, NodeRecords
from bench.fleet.job_files import JobFiles, KeptJob, Seen
from bench.schema import durations
from bench.schema.fleet_plan import FleetPlan, NodeState, StateName
from bench.schema.plurals import how_many

MOST_CLOCK_SECONDS = 60.0
"""By which clocks of two machines may differ before that is said."""
_FINISHED = (0, 1)
"""Exit codes of a `convbench run` that went through its whole plan."""
ORDINARY = (*_FINISHED, 2, 3)
"""Exit codes by which convbench ended by itself: others may come from the scheduler, which then says why."""
_ENDS: Mapping[JobEnd, StateName] = {
    "timed out": "timed out",
    "node lost": "node lost",
    "node down": "node down",
    "cancelled": "cancelled",
}


def states_of(folder: Path) -> tuple[NodeState, ...]:
    """Of each node of the fleet in this folder, as the command that ran it last saw it. UserError where the
    folder is none of a fleet."""
    plan = fleet_folder.read(folder)
    jobs = job_files.kept_jobs(folder)
    return tuple(
        state_of(folder, plan, node, jobs.get(node, []), NodeRecords(folder, node, plan.plan))
        for node in plan.nodes
    )


def state_of(
    folder: Path,
    plan: FleetPlan,
    node: str,
    jobs: Sequence[KeptJob],
    records: NodeRecords,
    seen: Seen | None = None,
    *,
    is_watched: bool = False,
) -> NodeState:
    """Of one node with these jobs; `seen` is what the scheduler says of the last now, where it was asked.

    `is_watched`: the scheduler will say more of a job that left an unusual exit code.
    """
    covered = records.coverage()
    if not jobs:
        return NodeState(node=node, state="not submitted", done=covered.done, planned=covered.planned)
    job = jobs[-1]
    files = JobFiles(folder, job.name)
    seen = seen or files.seen()
    codes = [JobFiles(folder, each.name).exit_code for each in jobs]
    if not is_settled(job, seen, codes[-1]) and (is_watched or codes[-1] is None):
        name: StateName = "running" if seen.phase == "running" or files.has_started else "waiting"
    else:
        name = _end(job, seen, covered, codes, uses_gpus="--gpu" in plan.arguments)
    is_well = name in ("complete", "waiting", "running")
    return NodeState(
        node=node,
        state=name,
        reason=_reason(name, job, seen, codes[-1], covered),
        attempt=job.attempt,
        job=job.id or seen.id,
        exit_code=codes[-1],
        done=covered.done,
        planned=covered.planned,
        failed=covered.failed,
        log=() if is_well else files.tail(),
        clock_seconds=seen.clock_seconds,
    )


def is_settled(job: KeptJob, seen: Seen, code: int | None) -> bool:
    """Whether the scheduler need not be asked about a job any more."""
    return seen.is_over or code in ORDINARY or bool(job.refused or job.down)


def _end(
    job: KeptJob, seen: Seen, covered: Coverage, codes: Sequence[int | None], *, uses_gpus: bool
) -> StateName:
    """The records decide whether a node is complete, and its last job what it is else.

    How many GPUs a node has is known from convbench's own end alone.
    """
    if covered.is_whole and (not uses_gpus or any(code in _FINISHED for code in codes)):
        return "complete"
    if job.refused:
        return "refused"
    if job.down:
        return "node down"
    if seen.end is not None and seen.end in _ENDS:
        return _ENDS[seen.end]
    if codes[-1] == 3:
        return "out of time"
    return "job lost" if seen.lost and codes[-1] is None else "failed"


def _reason(name: StateName, job: KeptJob, seen: Seen, code: int | None, covered: Coverage) -> str:
    """In words; the scheduler's own are kept."""
    if job.refused or job.down:
        return job.refused or job.down
    if name == "complete":
        failed = f"{how_many(covered.failed, 'process', 'processes')} failed" if covered.failed else ""
        return ", ".join([*filter(None, [failed]), *(f"{gpu} was replaced" for gpu in covered.replaced)])
    said = " ".join(word for word in (seen.word, seen.reason) if word not in ("", "None"))
    if name in ("waiting", "running"):
        return said if name == "waiting" else ""
    parts = [said] if said and seen.phase == "ended" else []
    if name == "job lost":
        parts = ["the scheduler does not know the job, which left no exit code"]
    elif code is not None:
        parts.append(f"exit code {code}")
    if covered.accidents:
        parts.append(f"{how_many(covered.accidents, 'process', 'processes')} crashed or timed out")
    if covered.damaged:
        parts.append(f"{how_many(covered.damaged, 'damaged line')} in its records")
    parts.append(f"{covered.done} of {how_many(covered.planned, 'process', 'processes')} measured")
    return ", ".join(parts)


def has_odd_clock(state: NodeState) -> bool:
    """Whether the node's clock and the shared folder's differ by more than MOST_CLOCK_SECONDS."""
    return state.clock_seconds is not None and abs(state.clock_seconds) > MOST_CLOCK_SECONDS


def clock_in_words(seconds: float) -> str:
    """Of a difference, without its sign: `60 minutes`."""
    return durations.in_words(abs(seconds))
