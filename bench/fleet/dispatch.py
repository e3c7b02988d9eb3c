"""Submits a job for each node that lacks figures, and watches until none is under way.

Whoever is killed here leaves files from which another command goes on: a job is on the disk before it is
submitted, its name is that of no other, and each attempt writes into a folder of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import structs

from bench.contracts.executor import Executor, JobState, Refused, Submitted, Unreachable
from bench.fleet import cancelling, fleet_folder, job_files, job_script, node_states
from bench.fleet.coverage import NodeRecords
from bench.fleet.job_files import JobFiles, KeptJob, Seen
from bench.record_lines import refusals
from bench.schema.fleet_plan import UNDER_WAY, FleetPlan, NodeState
from models.errors import UserError

GRACE_SECONDS = 10.0
"""A scheduler knows a job, and a shared folder shows a file, this much later at most."""
HOPELESS_SECONDS = 120.0
"""So long a job waits for a node that gets none: it may be about to come back."""
_SOONEST, _LATEST = 1.0, 15.0
"""Seconds between two looks: the second where nothing has changed for long."""

States = Mapping[str, NodeState]
Tell = Callable[[States, str], None]
"""Is told after each look how the nodes stand, and in a sentence what keeps the scheduler from answering."""


class Dispatch:
    """The jobs of one fleet, as the command sees them that submits them. `tell` hears of each look."""

    def __init__(self, folder: Path, plan: FleetPlan, executor: Executor, tell: Tell) -> None:
        self._folder, self._plan, self._executor, self._tell = folder, plan, executor, tell
        self._records = {node: NodeRecords(folder, node, plan.plan) for node in plan.nodes}
        self._jobs = job_files.kept_jobs(folder)
        self._missing: dict[str, float] = {}
        self._hopeless: dict[str, float] = {}
        self._given: set[str] = set()
        self._gaps: set[str] | None = None
        self.states: dict[str, NodeState] = {node: self._state(node) for node in plan.nodes}

    def run(self, down: Mapping[str, str], *, resume: bool) -> tuple[NodeState, ...]:
        """Until no job is under way; `down` names nodes that get none, with the reason.

        Each node is given one job at most. `resume`: those are given one too that are gaps at the first look,
        and those whose job turns out to be lost; not those whose job ends badly while this command watches.
        Raises UserError where the folder refuses, and whatever `tell` raises.
        """
        job_files.forget_cancelled(self._folder)
        pause, before = _SOONEST, dict(self.states)
        while True:
            trouble = self._look()
            if self._gaps is None and not trouble:
                self._gaps = {node for node, state in self.states.items() if state.is_gap}
            self._submit(down, resume=resume)
            self._tell(self.states, trouble)
            if not self._goes_on(resume=resume):
                return tuple(self.states[node] for node in self._plan.nodes)
            pause = _SOONEST if self.states != before else min(_LATEST, 1.2 * pause)
            before = dict(self.states)
            time.sleep(pause)

    def under_way(self) -> list[Submitted]:
        """The jobs that wait or run."""
        nodes = [node for node, state in self.states.items() if _has_job(state)]
        return [job_files.submitted(self._folder, self._jobs[node][-1]) for node in nodes]

    def cancel(self) -> None:
        """End what is under way, as `fleet cancel` does. Raises Unreachable."""
        cancelling.end(self._folder, self.under_way(), self._executor)

    def _look(self) -> str:
        """Ask the scheduler about what is under way; the reason where it does not answer."""
        submitted = self.under_way()
        trouble, said = "", None
        if submitted:
            try:
                said = self._executor.states(submitted)
            except Unreachable as error:
                trouble = str(error)
        for each in submitted:
            self._see(each, said)
            self.states[each.job.node] = self._state(each.job.node)
        return trouble

    def _see(self, submitted: Submitted, said: Mapping[str, JobState] | None) -> None:
        """Keep what is known of a job now."""
        name = submitted.job.name
        files = JobFiles(self._folder, name)
        before = files.seen()
        now = structs.replace(before, clock_seconds=files.clock_seconds())
        if said is not None and name in said:
            self._missing.pop(name, None)
            now = self._given_up(submitted, now.told(said[name]), said[name])
        elif said is not None and files.exit_code is not None:
            now = structs.replace(now, phase="ended", end="by itself")
        elif said is not None:
            now = structs.replace(now, lost=self._lasts(self._missing, name, GRACE_SECONDS))
        if now != before and not before.is_over:
            files.write_seen(now)

    def _given_up(self, submitted: Submitted, seen: Seen, said: JobState) -> Seen:
        """A job that has waited long enough for a node that gets none is cancelled."""
        if not said.is_hopeless:
            self._hopeless.pop(submitted.job.name, None)
            return seen
        if not self._lasts(self._hopeless, submitted.job.name, HOPELESS_SECONDS):
            return seen
        self._executor.cancel([submitted])
        return structs.replace(seen, phase="ended", end="node down")

    @staticmethod
    def _lasts(since: dict[str, float], name: str, seconds: float) -> bool:
        return time.monotonic() - since.setdefault(name, time.monotonic()) >= seconds

    def _state(self, node: str) -> NodeState:
        return node_states.state_of(
            self._folder, self._plan, node, self._jobs.get(node, []), self._records[node], is_watched=True
        )

    def _submit(self, down: Mapping[str, str], *, resume: bool) -> None:
        """Jobs for nodes that need one, as many as may be under way at once."""
        if job_files.is_cancelled(self._folder):
            return
        room = self._plan.site.jobs_at_once or self._executor.jobs_at_once or len(self._plan.nodes)
        for node in self._needy(resume=resume)[: max(0, room - len(self.under_way()))]:
            self._given.add(node)
            self._hand_over(node, down.get(node, ""))
            self.states[node] = self._state(node)

    def _needy(self, *, resume: bool) -> list[str]:
        """The nodes that are still to be given a job by this command."""
        left = [node for node in self._plan.nodes if node not in self._given]
        return [node for node in left if self._needs_job(self.states[node], resume=resume)]

    def _needs_job(self, state: NodeState, *, resume: bool) -> bool:
        if state.attempt == 0:
            return True
        return resume and state.is_gap and (state.node in (self._gaps or ()) or state.state == "job lost")

    def _goes_on(self, *, resume: bool) -> bool:
        if any(_has_job(state) for state in self.states.values()):
            return True
        return bool(self._needy(resume=resume)) and not job_files.is_cancelled(self._folder)

    def _hand_over(self, node: str, down: str) -> None:
        """Write a job down, submit it, and write down its id. A node whose folder cannot be written gets
        none."""
        earlier = self._jobs.get(node, [])
        attempt = 1 + max((job.attempt for job in earlier), default=0)
        job = KeptJob(
            name=f"{self._plan.name}-{node}-{attempt}",
            node=node,
            attempt=attempt,
            seconds=job_script.limit_seconds(self._plan),
            at=time.time(),
            down=down,
        )
        if not down:
            try:
                self._prepare(job)
            except UserError as error:
                job = structs.replace(job, refused=str(error))
        job_files.keep(self._folder, job)
        if not down and not job.refused:
            job = self._submitted(job)
            job_files.keep(self._folder, job)
        self._jobs[node] = [*earlier, job]

    def _prepare(self, job: KeptJob) -> None:
        """The folder of the attempt, with what earlier ones measured, and the script."""
        attempt = fleet_folder.attempt_folder(self._folder, job.node, job.attempt)
        with refusals(attempt):
            resume = self._records[job.node].seed(attempt)
            attempt.parent.mkdir(parents=True, exist_ok=True)
            files = JobFiles(self._folder, job.name)
            text = job_script.text(self._plan, files, job.node, job.attempt, attempt, resume=resume)
            files.path("sh").write_text(text, encoding="utf-8")

    def _submitted(self, job: KeptJob) -> KeptJob:
        try:
            submitted = job_files.submitted(self._folder, job)
            return structs.replace(job, id=self._executor.submit(submitted.job, self._plan.site))
        except Refused as refused:
            return structs.replace(job, refused=str(refused))
        except Unreachable:  # it may have taken the job all the same: then it knows its name
            return job


def _has_job(state: NodeState) -> bool:
    return state.state in UNDER_WAY and state.attempt > 0


def asked_now(folder: Path, plan: FleetPlan, executor: Executor) -> tuple[tuple[NodeState, ...], str]:
    """How the nodes stand with what the scheduler says now, and why it does not answer; writes nothing."""
    jobs = job_files.kept_jobs(folder)
    states = {node: _read(folder, plan, node, jobs) for node in plan.nodes}
    open_ = [jobs[node][-1] for node, state in states.items() if _has_job(state)]
    try:
        said = executor.states([job_files.submitted(folder, job) for job in open_]) if open_ else {}
    except Unreachable as error:
        return tuple(states.values()), str(error)
    for job in open_:
        seen = _overlaid(JobFiles(folder, job.name), job, said)
        states[job.node] = _read(folder, plan, job.node, jobs, seen)
    return tuple(states.values()), ""


def _read(
    folder: Path,
    plan: FleetPlan,
    node: str,
    jobs: Mapping[str, Sequence[KeptJob]],
    seen: Seen | None = None,
) -> NodeState:
    records = NodeRecords(folder, node, plan.plan)
    return node_states.state_of(folder, plan, node, jobs.get(node, []), records, seen)


def _overlaid(files: JobFiles, job: KeptJob, said: Mapping[str, JobState]) -> Seen:
    seen = structs.replace(files.seen(), clock_seconds=files.clock_seconds())
    if job.name in said:
        return seen.told(said[job.name])
    is_old = time.time() - job.at > GRACE_SECONDS
    return structs.replace(seen, lost=is_old and files.exit_code is None)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One command at a time submits the jobs of a fleet. UserError where another does."""
    with refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another convbench fleet run or confirm is at work in {folder}. Watch it with: convbench "
                f"fleet status {folder}"
            ) from None
        yield
    finally:
        os.close(lock)
