"""What a fleet run is to do, as its folder keeps it (`fleet.json`), and how each of its nodes stands."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bench.schema.kept_plan import KeptPlan

FLEET_SCHEMA = 1
"""Of `fleet.json`; a newer one is refused."""

FLEET = "fleet.json"
NODES = "nodes"
"""Folder of the run folders: `nodes/NODE/ATTEMPT`, on GPUs with a folder for each GPU in it."""
JOBS = "jobs"
"""Folder of what belongs to the jobs: scripts, ids, logs, exit codes."""
CONFIRM = "confirm"
"""Folder of what `fleet confirm` measured, which no figure of the first run holds."""

StateName = Literal[
    "not submitted",
    "waiting",
    "running",
    "complete",
    "failed",
    "timed out",
    "out of time",
    "node lost",
    "node down",
    "job lost",
    "cancelled",
    "refused",
]
"""How a node stands:

not submitted  no job yet: the limit of jobs at once, or the command was ended before
waiting        its job waits in the scheduler's queue
running        its job runs
complete       each planned process has a record, whatever became of the job
failed         the job ended by itself before that, as for bad input or a full disk
timed out      the scheduler ended it at its time limit
out of time    convbench ended it at its own time budget, which is below that limit
node lost      the node stopped answering while the job ran
node down      the scheduler gives the node no job
job lost       the job was prepared or submitted, and the scheduler does not know it
cancelled      by `fleet cancel`, or by a person
refused        the scheduler did not take the job, or the node's folder cannot be written
"""
UNDER_WAY: tuple[StateName, ...] = ("not submitted", "waiting", "running")
"""The states that are no end; any other but `complete` is a gap."""


class Site(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a job is started where the fleet stands.

    convbench     the words that start convbench on a node
    setup         lines of bash ahead of it: modules, a virtual environment
    container     the words ahead of `convbench`: `apptainer exec --nv image.sif`
    partition     of the scheduler; None for its default
    options       further ones for the scheduler's submit command, as it takes them
    jobs_at_once  at most so many wait or run; None for no limit
    exclusive     whether a job gets its node for itself
    job_seconds   after which the scheduler ends a job; None: derived from the estimate
    """

    convbench: tuple[str, ...]
    setup: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    partition: str | None = None
    options: tuple[str, ...] = ()
    jobs_at_once: int | None = None
    exclusive: bool = True
    job_seconds: float | None = None


class FleetPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is measured on which nodes, and how their jobs are started.

    name       the names of its jobs begin so, and those of no other fleet
    command    by which it was begun, as one types it
    arguments  of `convbench run` on each node, without --out; a node adds what depends on it, as the number
               of threads
    plan       the same as this machine plans it: for estimates, and until a node has kept its own
    executor   the plug-in that starts the jobs
    nodes      in the order of their jobs
    folder     the working directory of the jobs
    seconds    that one node probably takes
    began_at   UTC, ISO 8601
    """

    schema: int = FLEET_SCHEMA
    name: str
    command: str
    arguments: tuple[str, ...]
    plan: KeptPlan
    executor: str
    nodes: tuple[str, ...]
    site: Site
    folder: str
    seconds: float
    began_at: str


class NodeState(Struct, frozen=True, kw_only=True):
    """How a node of a fleet stands.

    reason         in words, the scheduler's among them; empty where nothing is to be said
    attempt        the number of its last job, from 1; 0 before there is one
    job            the scheduler's id of that job, or None
    exit_code      of convbench in that job; None where it left none
    done, planned  processes with a record, those of all attempts each counted once, and those of the plan
    failed         of those done: how many ended as `oom`, `invalid` and the like
    log            the last lines of the last job's output; empty where all went well
    clock_seconds  by which the node's clock is ahead of the shared folder's; None where that is not known
    """

    node: str
    state: StateName
    reason: str = ""
    attempt: int = 0
    job: str | None = None
    exit_code: int | None = None
    done: int = 0
    planned: int = 0
    failed: int = 0
    log: tuple[str, ...] = ()
    clock_seconds: float | None = None

    @property
    def is_gap(self) -> bool:
        """Whether something is missing that no job will bring."""
        return self.state != "complete" and self.state not in UNDER_WAY
