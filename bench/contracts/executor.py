"""What starts jobs on the nodes of a fleet must offer, and a job as it sees one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from bench.schema.fleet_plan import Site

JobPhase = Literal["waiting", "running", "ended"]
JobEnd = Literal["by itself", "timed out", "node lost", "node down", "cancelled"]


class Node(Struct, frozen=True, kw_only=True):
    """A node that the executor knows.

    gpus          how many it says that it has
    why_unusable  in words, where it would get no job now: `down: not responding`
    """

    name: str
    gpus: int = 0
    why_unusable: str | None = None


class Job(Struct, frozen=True, kw_only=True):
    """What is to run on one node.

    name     unlike that of any other job: by it a job is found again whose id is not known
    node     where it runs, and nowhere else
    script   of bash; the files of the job lie beside it, with its name and other endings
    log      where its output goes
    seconds  after which the scheduler is to end it
    """

    name: str
    node: str
    script: Path
    log: Path
    seconds: float


class Submitted(Struct, frozen=True, kw_only=True):
    """A job that was handed over, or was about to be: then its id is None."""

    job: Job
    id: str | None = None


class JobState(Struct, frozen=True, kw_only=True):
    """What the executor knows of a job.

    end          how it ended, in the phase `ended` only
    word         the scheduler's own: `NODE_FAIL`
    reason       likewise: `NodeDown`, `Priority`
    is_hopeless  whether it waits for a node that gets no jobs
    """

    id: str
    phase: JobPhase
    is_hopeless: bool = False
    end: JobEnd | None = None
    word: str = ""
    reason: str = ""


class Executor(Protocol):
    """A way to run jobs on nodes. Construction is free of side effects.

    name           on the command line
    summary        one line about it
    jobs_at_once   how many it takes by default; None for any number
    is_here        whether its nodes are this host: then its jobs end with the command that started them
    """

    name: str
    summary: str
    jobs_at_once: int | None
    is_here: bool

    def why_absent(self) -> str | None:
        """A sentence when this host has no such executor."""

    def nodes(self, wanted: str | None, site: Site) -> tuple[Node, ...]:
        """Those that `wanted` names, a list or a number, or all. UserError for one that there is not."""

    def submit(self, job: Job, site: Site) -> str:
        """Hand a job over and return its id. `Refused` where the scheduler does not take it."""

    def states(self, submitted: Sequence[Submitted]) -> Mapping[str, JobState]:
        """Of the jobs by name, without those that nothing is known of any more.

        `Unreachable` where the scheduler does not answer: then nothing is known of any.
        """

    def cancel(self, submitted: Sequence[Submitted]) -> None:
        """End jobs, found by id and by name; one that has ended already is left alone. `Unreachable`."""


class Refused(Exception):  # noqa: N818 - it is no error of the program
    """The scheduler did not take a job, for this reason."""


class Unreachable(Exception):  # noqa: N818
    """The scheduler does not answer, for this reason."""
