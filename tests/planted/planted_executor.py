"""An executor without processes: what befalls each job is said before, and its records have known answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import structs

from bench.contracts.executor import Job, JobEnd, JobState, Node, Refused, Submitted, Unreachable
from bench.fleet import fleet_folder
from bench.fleet.job_files import JobFiles
from bench.plan import plan_processes
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.fleet_plan import FleetPlan, Site
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Status
from bench.store import RECORDS, Store
from tests.planted import planted_records

LENET = Case(model="lenet5", image=28, channels=1, classes=10, threads=2, device="cpu")
KEPT = KeptPlan(
    suite="smoke",
    cases=[LENET, structs.replace(LENET, batch=8)],
    ceilings=False,
    auto=False,
    protocol=MeasurementProtocol(),
    replicates=2,
)
"""Two cases, four processes."""

Fate = Literal[
    "well",
    "oom",
    "crash",
    "bad input",
    "budget",
    "node lost",
    "timed out",
    "lost",
    "refused",
    "silent",
    "hopeless",
    "runs",
]
_ENDS: Mapping[str, tuple[JobEnd, str, str]] = {
    "node lost": ("node lost", "NODE_FAIL", "NodeDown"),
    "timed out": ("timed out", "TIMEOUT", "TimeLimit"),
}
_EXIT = {"well": 0, "oom": 1, "crash": 1, "bad input": 2, "budget": 3}


def fleet_plan(*nodes: str, **site: object) -> FleetPlan:
    """Of the four processes on each of these nodes."""
    return FleetPlan(
        name="planted",
        command="convbench fleet run",
        arguments=("run", "--suite", "smoke"),
        plan=KEPT,
        executor="planted",
        nodes=nodes,
        site=structs.replace(Site(convbench=("convbench",)), **site),
        folder="/",
        seconds=10.0,
        began_at="2026-01-01T00:00:00+00:00",
    )


class PlantedExecutor:
    """`fates` has for each node what befalls its jobs, one after the other; `well` after the last."""

    name = "planted"
    summary = "nothing runs"
    jobs_at_once: int | None = None
    is_here = False

    def __init__(self, folder: Path, plan: FleetPlan, **fates: Sequence[Fate]) -> None:
        self._folder, self._plan = folder, plan
        self._fates = {node: list(each) for node, each in fates.items()}
        self._of: dict[str, Fate] = {}
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.most_at_once = 0

    def why_absent(self) -> str | None:
        """It is there."""
        return None

    def nodes(self, wanted: str | None, site: Site) -> tuple[Node, ...]:
        """Those of the plan."""
        return tuple(Node(name=name) for name in self._plan.nodes)

    def submit(self, job: Job, site: Site) -> str:
        """Let happen what is said."""
        left = self._fates.get(job.node, [])
        fate: Fate = left.pop(0) if left else "well"
        if fate == "refused":
            raise Refused("Invalid account")
        self._of[job.name] = fate
        self.submitted.append(job.name)
        assert JobFiles(self._folder, job.name).path("json").exists(), "a job is on the disk before"
        if fate not in ("lost", "hopeless"):
            self._write(job, fate)
        return str(len(self.submitted))

    def _write(self, job: Job, fate: Fate) -> None:
        out = fleet_folder.attempt_folder(self._folder, job.node, int(job.name.rpartition("-")[2]))
        measure(out, fate)
        job.log.write_text(f"convbench: {fate} on {job.node}\n")
        if fate in _EXIT:
            JobFiles(self._folder, job.name).path("exit").write_text(f"{_EXIT[fate]}\n")

    def states(self, submitted: Sequence[Submitted]) -> Mapping[str, JobState]:
        """As a scheduler that knows all of them but the lost ones."""
        self.most_at_once = max(self.most_at_once, len(submitted))
        fates = {each.job.name: self._of.get(each.job.name, "lost") for each in submitted}
        silent = [name for name, fate in fates.items() if fate == "silent"]
        for name in silent:
            self._of[name] = "well"
        if silent:
            raise Unreachable("connection refused")
        return {name: self._state(name, fate) for name, fate in fates.items() if fate != "lost"}

    def _state(self, name: str, fate: Fate) -> JobState:
        id_ = str(self.submitted.index(name) + 1)
        if name in self.cancelled:
            return JobState(id=id_, phase="ended", end="cancelled", word="CANCELLED")
        if fate in _ENDS:
            end, word, reason = _ENDS[fate]
            return JobState(id=id_, phase="ended", end=end, word=word, reason=reason)
        if fate == "hopeless":
            return JobState(
                id=id_, phase="waiting", word="PENDING", reason="ReqNodeNotAvail", is_hopeless=True
            )
        if fate == "runs":
            return JobState(id=id_, phase="running", word="RUNNING")
        return JobState(id=id_, phase="ended", end="by itself", word="COMPLETED")

    def cancel(self, submitted: Sequence[Submitted]) -> None:
        """They are, as far as this one knows."""
        self.cancelled += [each.job.name for each in submitted]


def measure(out: Path, fate: Fate = "well") -> None:
    """Records of what is missing in a run folder: of one process only, where the job ends early."""
    resumes = (out / RECORDS).exists()
    with Store.resume(out) if resumes else Store.create(out) as store:
        missing = [case for case in plan_processes.of_plan(KEPT) if case not in store.statuses()]
        for number, case in enumerate(missing if fate in ("well", "silent", "oom", "crash") else missing[:1]):
            odd: Status = "oom" if fate == "oom" else "crashed" if fate == "crash" else "ok"
            store.append(planted_records.record(case, status=odd if number == 1 else "ok"))
