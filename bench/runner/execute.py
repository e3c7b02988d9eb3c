"""For each pending case: launch, append, report."""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from msgspec import Struct

from bench.forkserver.client import Server
from bench.plan import feasibility, plan_processes
from bench.runner import plan_file
from bench.runner.attempt import attempt
from bench.runner.case_server import server_for
from bench.runner.clock_lock import clocks_locked
from bench.runner.command_seconds import CommandSeconds
from bench.runner.earlier import Earlier
from bench.runner.events import OnProgress, Progress
from bench.runner.facts import KnownFacts
from bench.runner.plan_options import described, options_of
from bench.runner.questions import fetch, refuse_idle_devices, unrunnable
from bench.runner.round_servers import RoundServers
from bench.runner.rounds import Round, Schedule, Target, Wide, target_of
from bench.runner.run_folder import CHECKPOINTS, checkpoint_of
from bench.runner.run_options import RunOptions
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from bench.schema.record import Record, Status
from bench.store import RECORDS, Store, refuse_used


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
    began: float | None = None,
    is_firm: bool = False,
) -> RunResult:
    """Measure what is pending of `planned`; every record is in `directory` before the next case starts.

    `auto`: devices were chosen by what the driver lists, not by the user; then one of which torch can run no
    case is an error and not a row of skipped cases. The data of training runs are fetched first. A `plan` is
    kept in the directory, and its target asks for more processes. The budget counts from `began`
    (`time.monotonic`), or from now; `is_firm`: only the first process may end later.
    Raises UserError when nothing of the plan can run here or the directory refuses: nothing was changed.
    """
    now, options, seconds = time.monotonic(), options or RunOptions(), CommandSeconds()
    resuming = _goes_on(directory, resume)
    with ExitStack() as stack:
        stack.enter_context(clocks_locked(options, planned))
        earlier = Earlier(planned, target_of(plan))
        resumed = stack.enter_context(Store.resume(directory, earlier.take)) if resuming else None
        earlier.begin(protocol, directory)
        plan = plan and plan_file.on_this_machine(plan, resumed, earlier.machine, planned)
        with seconds.on("starting"):
            servers = stack.enter_context(_servers(planned, earlier.schedule, options))
        with seconds.on("probing"):
            reasons = _questioned(planned, servers.current, earlier, directory, auto, options)
        store = resumed or stack.enter_context(_create(directory))
        stack.callback(shutil.rmtree, directory / "work", ignore_errors=True)
        _keep(plan, directory)
        ends = _ends(now if began is None else began, budget_seconds, plan, is_firm)
        _measure_pending(earlier, protocol, store, servers, reasons, ends, on_progress, options, seconds)
        return _result(earlier.schedule, store, planned, seconds.spent())


def _goes_on(directory: Path, resume: bool) -> bool:
    """Whether there are records to go on with. UserError, before seconds are spent on asking torch, where
    there are some and nobody asked for that."""
    resuming = resume and (directory / RECORDS).exists()
    if not resuming:
        refuse_used(directory)
    return resuming


def _keep(plan: KeptPlan | None, directory: Path) -> None:
    if plan is not None:
        plan_file.write(directory, plan)


def _questioned(
    planned: Sequence[Case],
    server: Server,
    earlier: Earlier,
    directory: Path,
    auto: bool,
    options: RunOptions,
) -> Mapping[Case, str]:
    """Why cases cannot run here, by case; the data of the others are there, their networks as they were."""
    reasons = unrunnable(planned, server)
    refuse_idle_devices(planned, reasons, auto)
    earlier.networks.refuse_changed(directory, server)
    fetch(planned, options, server)
    return reasons


def _create(directory: Path) -> Store:
    """A new run, without what another left here whose records were deleted."""
    store = Store.create(directory)
    shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)
    return store


class _Ends(Struct, frozen=True, kw_only=True):
    """Moments of `time.monotonic` from which on no process begins: a planned one, and a further one; whether
    a planned one too begins only if it will probably end by then."""

    planned: float
    further: float
    is_firm: bool = False


def _ends(began: float, budget_seconds: float | None, plan: KeptPlan | None, is_firm: bool) -> _Ends:
    """The user's budget is for all; what a suite promises takes no planned process away."""
    if budget_seconds is not None:
        end = began + budget_seconds
        return _Ends(planned=end, further=end, is_firm=is_firm)
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
    began: float | None = None,
    is_firm: bool = False,
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
        options=options_of(plan),
        plan=plan,
        began=began,
        is_firm=is_firm,
    )


def _measure_pending(
    earlier: Earlier,
    protocol: MeasurementProtocol,
    store: Store,
    servers: RoundServers,
    reasons: Mapping[Case, str],
    ends: _Ends,
    on_progress: OnProgress,
    options: RunOptions,
    seconds: CommandSeconds,
) -> None:
    """Round after round, until none is left or the time is.

    One server for each round, of which the first has started: processes of one server share its memory
    layout, replicates must not.
    """
    schedule, known = earlier.schedule, earlier.known
    for case in schedule.over():  # a run that was killed when its record had just come
        _forget_checkpoint(case, store.directory)
    fresh: Server | None = servers.current
    while round_ := schedule.next_round(ends.further - time.monotonic()):
        end = ends.planned if round_.is_planned else ends.further
        current = fresh
        for case in round_.cases:
            left = end - time.monotonic()
            starting = 0.0 if current is not None else servers.seconds_to_next(round_.cases)
            if _is_spent(left, starting, ends, schedule, case):
                return
            if not round_.is_planned and not schedule.fits(case, left):
                continue  # a shorter one may
            with seconds.on("starting"):
                current = current or _next_server(servers, round_, schedule, options, known)
            fresh = None
            on_progress(_told(case, schedule, round_))
            record = _measured(case, protocol, store.directory, current, reasons, options, known)
            record = store.append(seconds.told(record))
            schedule.add(record)
            if not feasibility.is_retried(record):
                _forget_checkpoint(case, store.directory)
            on_progress(_told(case, schedule, round_, record))


def _is_spent(left: float, starting: float, ends: _Ends, schedule: Schedule, case: Case) -> bool:
    """Whether no process begins any more, with so many seconds left, of which a server takes some to start.
    The first process of a run is waited for, however firm its budget is."""
    if ends.is_firm:
        return schedule.done > 0 and not schedule.fits(case, left - starting)
    return left <= 0


def _servers(planned: Sequence[Case], schedule: Schedule, options: RunOptions) -> RoundServers:
    """The first one answers what is asked before the run, too."""
    todo = schedule.todo()
    later = [case for case in todo if case.replicate != todo[0].replicate]
    return RoundServers(
        lambda: server_for(planned, gpu=options.gpu),
        (lambda: server_for(later, gpu=options.gpu, facts=False)) if later else None,
    )


def _next_server(
    servers: RoundServers, round_: Round, schedule: Schedule, options: RunOptions, known: KnownFacts
) -> Server:
    """With the one after it, if there will probably be another round: of that, facts will be known."""
    lack = known.lack(round_.cases, described(options))
    is_last = schedule.total <= schedule.done + len(round_.cases)
    goes_on = not is_last or (round_.is_planned and schedule.target is not None)
    return servers.next(
        lambda: server_for(round_.cases, gpu=options.gpu, facts=lack),
        (lambda: server_for(round_.cases, gpu=options.gpu, facts=False)) if goes_on else None,
    )


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
    machine = described(options)
    facts, reason = not known.of(case, machine), reasons.get(case)
    options = known.asked(options, case, machine)
    record = attempt(case, protocol, machine, directory, server, reason, options, facts=facts)
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
