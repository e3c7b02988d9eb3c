"""For each pending case: launch, append, report."""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from bench.forkserver.client import Server
from bench.host import environment
from bench.plan import feasibility, plan_processes
from bench.runner import plan_file
from bench.runner.attempt import attempt
from bench.runner.case_server import server_for
from bench.runner.clock_lock import clocks_locked
from bench.runner.command_seconds import CommandSeconds
from bench.runner.events import OnProgress, Progress
from bench.runner.facts import KnownFacts
from bench.runner.precision import Precision
from bench.runner.questions import fetch, refuse_idle_devices, unrunnable
from bench.runner.resumed_networks import refuse_changed
from bench.runner.rounds import Round, Schedule, Target, Wide, target_of
from bench.runner.run_folder import CHECKPOINTS, checkpoint_of
from bench.runner.run_options import RunOptions
from bench.schema.case import TIMED, Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Record, Status
from bench.store import RECORDS, Store, refuse_used
from models.errors import UserError


class RunResult(Struct, frozen=True, kw_only=True):
    """How a run ended.

    statuses   of the processes that have a record: of the plan's, and of those that its target asked for
    remaining  planned processes that the budget left for `--resume`
    warning    what was repaired in the records, or None
    target     that the plan had, or None
    wide       cases that have not met it, the widest first
    spent      seconds of this command, its processes' among them, by what they went to
    """

    statuses: Mapping[Status, int]
    remaining: int
    warning: str | None
    target: Target | None = None
    wide: Sequence[Wide] = ()
    spent: Mapping[str, float] = {}


def run_plan(
    planned: Sequence[Case],
    protocol: MeasurementProtocol,
    directory: Path,
    *,
    resume: bool,
    budget_seconds: float | None,
    on_progress: OnProgress,
    auto: bool = False,
    options: RunOptions | None = None,
    plan: KeptPlan | None = None,
) -> RunResult:
    """Measure what is pending of `planned`; every record is in `directory` before the next case starts.

    `auto` says that devices of the plan were chosen by what the driver lists, not by the user: then a device
    of which torch can run no case is an error and not a row of skipped cases. The data of training runs
    are fetched first. A `plan` is kept in the directory, and its target asks for more processes.
    Raises UserError when nothing of the plan can run here or the directory refuses: nothing was changed.
    """
    began, options, seconds = time.monotonic(), options or RunOptions(), CommandSeconds()
    resuming = resume and (directory / RECORDS).exists()
    if not resuming:
        refuse_used(directory)  # before seconds are spent on asking torch
    with ExitStack() as stack:
        stack.enter_context(clocks_locked(options, planned))
        resumed = stack.enter_context(_resume(directory, protocol, planned)) if resuming else None
        plan = plan and plan_file.on_this_machine(plan, resumed, planned)
        with seconds.on("starting"):
            server = stack.enter_context(server_for(planned, gpu=options.gpu))
        with seconds.on("probing"):
            reasons = _questioned(planned, server, resumed, auto, options)
        store = resumed or stack.enter_context(_create(directory))
        stack.callback(shutil.rmtree, directory / "work", ignore_errors=True)
        if plan is not None:
            plan_file.write(directory, plan)
        schedule = Schedule(planned, store.records(), target_of(plan), Precision())
        ends = _ends(began, budget_seconds, plan)
        _measure_pending(schedule, protocol, store, server, reasons, ends, on_progress, options, seconds)
        return _result(schedule, store, planned, seconds.spent())


def _questioned(
    planned: Sequence[Case], server: Server, resumed: Store | None, auto: bool, options: RunOptions
) -> Mapping[Case, str]:
    """Why cases cannot run here, by case; the data of the others are there, their networks as they were."""
    reasons = unrunnable(planned, server)
    refuse_idle_devices(planned, reasons, auto)
    refuse_changed(resumed, planned, server)
    fetch(planned, options, server)
    return reasons


def _create(directory: Path) -> Store:
    """A new run, without what another left here whose records were deleted."""
    store = Store.create(directory)
    shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)
    return store


class _Ends(Struct, frozen=True, kw_only=True):
    """Moments of `time.monotonic` from which on no process begins: a planned one, and a further one."""

    planned: float
    further: float


def _ends(began: float, budget_seconds: float | None, plan: KeptPlan | None) -> _Ends:
    """The user's budget is for all; what a suite promises takes no planned process away."""
    if budget_seconds is not None:
        return _Ends(planned=began + budget_seconds, further=began + budget_seconds)
    promised = plan.budget_seconds if plan is not None else None
    return _Ends(planned=math.inf, further=math.inf if promised is None else began + promised)


def _result(
    schedule: Schedule, store: Store, planned: Sequence[Case], spent: Mapping[str, float]
) -> RunResult:
    wanted = {*planned, *schedule.further}
    return RunResult(
        statuses=Counter(status for case, status in store.statuses().items() if case in wanted),
        remaining=len(schedule.todo()),
        warning=store.warning,
        target=schedule.target,
        wide=schedule.wide(),
        spent=spent,
    )


def run_kept(
    plan: KeptPlan,
    directory: Path,
    *,
    resume: bool,
    budget_seconds: float | None,
    on_progress: OnProgress,
) -> RunResult:
    """`run_plan` of a plan that the directory is to keep, or keeps already. Raises UserError likewise, and
    where the run would go on on another machine."""
    return run_plan(
        plan_processes.of_plan(plan),
        plan.protocol,
        directory,
        resume=resume,
        budget_seconds=budget_seconds,
        on_progress=on_progress,
        auto=plan.auto,
        options=RunOptions(gpu=plan.gpu, lock_clocks_mhz=plan.lock_clocks_mhz),
        plan=plan,
    )


@contextmanager
def _resume(directory: Path, protocol: MeasurementProtocol, planned: Sequence[Case]) -> Iterator[Store]:
    """The run to go on with.

    UserError where its times have warm caches and those to come a cold L2, or the other way round: no report
    could pool them.
    """
    with Store.resume(directory) as store:
        timed = (record for record in store.records() if record.case.workload in TIMED)
        found = next((record.protocol.caches for record in timed), protocol.caches)
        if found != protocol.caches and any(case.workload in TIMED for case in planned):
            other = "warm caches" if found == "warm" else "a cold L2 (--flush-l2)"
            raise UserError(f"{directory} has times with {other}: a run of the other kind needs a new --out")
        yield store


def _measure_pending(
    schedule: Schedule,
    protocol: MeasurementProtocol,
    store: Store,
    server: Server,
    reasons: Mapping[Case, str],
    ends: _Ends,
    on_progress: OnProgress,
    options: RunOptions,
    seconds: CommandSeconds,
) -> None:
    """Round after round, until none is left or the time is.

    One server for each round: processes of one server share its memory layout, replicates must not.
    """
    known = KnownFacts(store.records())
    for case in schedule.over():  # a run that was killed when its record had just come
        _forget_checkpoint(case, store.directory)
    fresh: Server | None = server
    while round_ := schedule.next_round(ends.further - time.monotonic()):
        end = ends.planned if round_.is_planned else ends.further
        with ExitStack() as stack:
            current = fresh
            for case in round_.cases:
                left = end - time.monotonic()
                if left <= 0:
                    return
                if not round_.is_planned and not schedule.fits(case, left):
                    continue  # a shorter one may
                with seconds.on("starting"):
                    current = current or stack.enter_context(_server(round_, options, known))
                fresh = None
                on_progress(_told(case, schedule, round_))
                record = _measured(case, protocol, store.directory, current, reasons, options, known)
                record = store.append(seconds.told(record))
                schedule.add(record)
                if not feasibility.is_retried(record):
                    _forget_checkpoint(case, store.directory)
                on_progress(_told(case, schedule, round_, record))


def _server(round_: Round, options: RunOptions, known: KnownFacts) -> Server:
    return server_for(round_.cases, gpu=options.gpu, facts=known.lack(round_.cases, environment.describe()))


def _measured(
    case: Case,
    protocol: MeasurementProtocol,
    directory: Path,
    server: Server,
    reasons: Mapping[Case, str],
    options: RunOptions,
    known: KnownFacts,
) -> Record:
    """What its process says; of what is `known` it is not asked again."""
    described = environment.describe()
    facts, reason = not known.of(case, described), reasons.get(case)
    record = attempt(case, protocol, described, directory, server, reason, options, facts=facts)
    known.learn(record)
    return record


def _told(case: Case, schedule: Schedule, round_: Round, record: Record | None = None) -> Progress:
    return Progress(case=case, done=schedule.done, total=schedule.total, record=record, round=round_)


def _forget_checkpoint(case: Case, directory: Path) -> None:
    """What a training run went on from is as large as the network; its record has come."""
    if case.task is None:
        return
    kept = checkpoint_of(case, directory)
    for path in kept.parent.glob(f"{kept.name}*"):  # also what a killed process was just writing beside it
        path.unlink(missing_ok=True)
    with suppress(OSError):  # others' are still in it, or there never was one
        (directory / CHECKPOINTS).rmdir()
