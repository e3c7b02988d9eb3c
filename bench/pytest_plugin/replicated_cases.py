"""The cases of a session, each measured in several child processes as `convbench run` would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs

from bench import devices
from bench.plan import estimate, plan_processes
from bench.pytest_plugin import device_facts
from bench.pytest_plugin.benchmarked import Benchmarked
from bench.pytest_plugin.failed_benchmarks import ChildMemoryError
from bench.pytest_plugin.gate_options import GateOptions
from bench.runner.events import OnProgress
from bench.runner.execute import run_kept
from bench.schema import durations
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import in_words
from bench.schema.kept_plan import KeptPlan
from bench.schema.phases import PHASES, Phase, whole
from bench.schema.plurals import how_many
from models.errors import UserError, unknown
from reports.summary.figures import FailedProcesses, Figure, Summary
from reports.summary.pooling import summarise
from reports.tables.label_meanings import MEANINGS

_PEAKS = ("peak_allocated", "peak_resident")
NOT_NOTED = (
    "with --convbench-replicates each test runs twice, first to make its case known, and this one asked for "
    "another case then"
)
SUITE = "pytest"
"""What the kept plan calls itself."""


@dataclass
class ReplicatedCases:
    """Noted while tests run up to what they measure, then measured in rounds, then looked up.

    A round has one process of every case, so that a slow minute of the machine falls on all cases alike.

    folder      of the run: plan and records, as `convbench run --out` leaves them
    is_noting   whether a test that asks for a case only makes it known
    """

    options: GateOptions
    folder: Path
    is_noting: bool = True
    protocol: MeasurementProtocol | None = None
    _cases: dict[Case, None] = field(default_factory=dict)
    _summary: Summary | None = None

    def note(self, case: Case, protocol: MeasurementProtocol) -> None:
        """A case that some test asks for. Energy is left out: it would double a suite's seconds on a GPU."""
        self._cases.setdefault(case)
        self.protocol = structs.replace(protocol, energy_seconds=0.0)

    @property
    def cases(self) -> tuple[Case, ...]:
        """Each once."""
        return tuple(self._cases)

    def plan(self) -> KeptPlan:
        """What is measured, of the cases that are known."""
        assert self.protocol is not None
        return KeptPlan(
            suite=SUITE,
            cases=list(self._cases),
            ceilings=False,
            auto=False,
            protocol=self.protocol,
            replicates=self.options.replicates,
        )

    def announced(self) -> str:
        """`3 cases, 15 processes, about 2 minutes, kept in .benchmarks/convbench/0001`"""
        plan = self.plan()
        planned = plan_processes.of_plan(plan)
        seconds = estimate.estimate_seconds(planned, plan.protocol)
        if self.options.budget is not None:
            seconds = min(seconds, self.options.budget)
        counted = f"{how_many(len(self._cases), 'case')}, {how_many(len(planned), 'process', 'processes')}"
        return f"{counted}, {durations.about(seconds)}, kept in {self.folder}"

    def measure(self, on_progress: OnProgress) -> None:
        """All processes, round after round. Raises UserError where nothing can run here."""
        self.is_noting = False
        if not self._cases:
            return
        run_kept(
            self.plan(),
            self.folder,
            resume=False,
            budget_seconds=self.options.budget,
            on_progress=on_progress,
        )
        self._summary = summarise([self.folder])

    @property
    def is_measured(self) -> bool:
        """Whether there is a run to compare."""
        return self._summary is not None

    def processes(self, case: Case) -> int:
        """How many of them have figures."""
        return max((len(each.medians) for each in self._of(case)), default=0)

    def shortened(self) -> Iterator[str]:
        """What the budget took: cases with fewer processes than were asked for, by name."""
        wanted = self.options.replicates or 0
        if self.options.budget is None or not self.is_measured:
            return
        for case in self._cases:
            found = self.processes(case)
            if found < wanted and self._failed(case) is None:
                yield f"{case.id} ({found} of {wanted} processes)" if found else f"{case.id} (left out)"

    def find(self, case: Case, phase: str | None) -> Benchmarked:
        """The figures of one phase over the processes of a case.

        Raises UserError for a phase that there is not, and where no process has figures; skips the test where
        the budget left it no process.
        """
        figures = self._of(case)
        if not figures:
            failed = self._failed(case)
            if failed is None and self.options.budget is not None and case in self._cases:
                pytest.skip(f"--convbench-budget={self.options.budget:g} ended before this case")
            raise _error(case, failed)
        times = {each.phase: each for each in figures if each.metric == "wall_time"}
        asked = phase or whole(case)
        for known in PHASES:
            if known == asked and known in times:
                return self._benchmarked(case, known, times[known], figures)
        raise unknown("phase", str(asked), tuple(times))

    def described(self, case: Case, phase: Phase) -> dict[str, object]:
        """What `extra_info` says beside the figures."""
        figures = self._of(case)
        times = {each.metric: each for each in figures if each.phase == phase}
        device = times.get("device_time")
        parameters = next((each.median for each in figures if each.metric == "parameters"), None)
        return {
            "effective": dict(figures[0].effective.precision + figures[0].effective.machine),
            "parameters": None if parameters is None else int(parameters),
            "bytes": {name: int(each.median) for name, each in _sizes(figures, phase).items()},
            "bytes_scope": "child process",
            "labels": list(times["wall_time"].tags),
            "run": str(self.folder),
            **device_facts.peak_in(case, devices.get(case.device), figures[0].effective),
            **({"device_time": device.median} if device else {}),
        }

    def _benchmarked(
        self, case: Case, phase: Phase, time: Figure, figures: tuple[Figure, ...]
    ) -> Benchmarked:
        sizes = _sizes(figures, phase)
        peak = next((sizes[name] for name in _PEAKS if name in sizes), None)
        interval = time.interval if time.interval is not None and time.interval.is_across else None
        return Benchmarked(
            is_measured=True,
            seconds=time.medians,
            center=time.median,
            processes=len(time.medians),
            ends=(interval.low, interval.high) if interval else None,
            size=None if peak is None else int(peak.median),
            work=_flops(figures, phase),
            batch=case.batch,
            warnings=tuple(self._warnings(case, time)),
        )

    def _of(self, case: Case) -> tuple[Figure, ...]:
        """Of the whole network, in this session's run."""
        key = case.without_replicate()
        found = self._summary.figures if self._summary else ()
        return tuple(each for each in found if each.case == key and each.layer is None)

    def _warnings(self, case: Case, time: Figure) -> Iterator[str]:
        assert self._summary is not None
        key = case.without_replicate()
        told = {w.label: in_words(w.example) for w in self._summary.warnings if w.cases[:1] == (key,)}
        yield from (told.get(label) or _meant(label) for label in time.tags)

    def _failed(self, case: Case) -> FailedProcesses | None:
        """How its processes failed; None where it had none."""
        key = case.without_replicate()
        found = self._summary.outcomes if self._summary else ()
        return next((each for each in found if each.case == key), None)


def _meant(label: str) -> str:
    """In general, where the example of the label is another case's."""
    meaning = MEANINGS.get(label)
    return f"{label}: {meaning}" if meaning else label


def _error(case: Case, failed: FailedProcesses | None) -> UserError:
    """Why the case has no figures."""
    if failed is None:
        return UserError(NOT_NOTED)
    kind = ChildMemoryError if failed.status == "oom" else UserError
    return kind(f"{case.id}: {failed.status}: {failed.reason}")


def _sizes(figures: tuple[Figure, ...], phase: Phase) -> dict[str, Figure]:
    """Of the network, and of the phase where it has its own."""
    return {each.metric: each for each in figures if each.unit == "bytes" and each.phase in ("model", phase)}


def _flops(figures: tuple[Figure, ...], phase: Phase) -> int | None:
    """A whole training step has those of its phases."""
    of = {each.phase: int(each.median) for each in figures if each.metric == "flops"}
    if phase == "step":
        return sum(of.values()) or None
    return of.get(phase)


RUN = pytest.StashKey[ReplicatedCases]()


def of(config: pytest.Config) -> ReplicatedCases | None:
    """This session's; None where cases are measured in pytest's own process."""
    return config.stash.get(RUN, None)
