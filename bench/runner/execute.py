"""For each pending case: launch, append, report."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from pathlib import Path

from msgspec import Struct

from bench import devices
from bench.forkserver.client import Server
from bench.host import environment
from bench.plan import feasibility
from bench.runner.attempt import attempt
from bench.runner.case_server import server_for
from bench.runner.clock_lock import clocks_locked
from bench.runner.events import OnProgress, Progress
from bench.runner.questions import fetch, unrunnable
from bench.runner.resumed_networks import refuse_changed
from bench.runner.run_folder import CHECKPOINTS, checkpoint_of
from bench.runner.run_options import RunOptions
from bench.schema.case import TIMED, Case, MeasurementProtocol
from bench.schema.record import Status
from bench.store import RECORDS, Store, refuse_used
from models.errors import UserError


class RunResult(Struct, frozen=True, kw_only=True):
    """How a run ended.

    statuses   of all the plan's cases that have a record
    remaining  cases that the budget left for `--resume`
    warning    what was repaired in the records, or None
    """

    statuses: Mapping[Status, int]
    remaining: int
    warning: str | None


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
) -> RunResult:
    """Measure what is pending of `planned`; every record is in `directory` before the next case starts.

    `auto` says that devices of the plan were chosen by what the driver lists, not by the user: then a device
    of which torch can run no case is an error and not a row of skipped cases. The data of training runs
    are fetched first.
    Raises UserError when nothing of the plan can run here or the directory refuses: nothing was changed.
    """
    deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
    options = options or RunOptions()
    resuming = resume and (directory / RECORDS).exists()
    if not resuming:
        refuse_used(directory)  # before seconds are spent on asking torch
    with ExitStack() as stack:
        stack.enter_context(clocks_locked(options, planned))
        resumed = stack.enter_context(_resume(directory, protocol, planned)) if resuming else None
        server = stack.enter_context(server_for(planned, gpu=options.gpu))
        reasons = unrunnable(planned, server)
        _refuse_idle_devices(planned, reasons, auto)
        refuse_changed(resumed, planned, server)
        fetch(planned, options, server)
        store = resumed or stack.enter_context(Store.create(directory))
        if resumed is None:  # what a run left here whose records were deleted
            shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)
        stack.callback(shutil.rmtree, directory / "work", ignore_errors=True)
        left = _measure_pending(planned, protocol, store, server, reasons, deadline, on_progress, options)
        ended = store.statuses()
        statuses = Counter(ended[case] for case in planned if case in ended)
        return RunResult(statuses=statuses, remaining=left, warning=store.warning)


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


def _refuse_idle_devices(planned: Sequence[Case], reasons: Mapping[Case, str], auto: bool) -> None:
    """UserError where nothing can run, or nothing on a device that was chosen for the user."""
    if all(case in reasons for case in planned):
        raise UserError(f"nothing of this plan can run here: {reasons[planned[0]]}")
    if not auto:
        return
    able = {case.device for case in planned if case not in reasons}
    host = devices.host().name  # which `auto` takes where it must
    for device in {case.device for case in planned} - able - {host}:
        reason = next(reasons[case] for case in planned if case.device == device)
        raise UserError(
            f"--device auto chose {device}, where nothing can run: {reason}; pass --device {host}"
        )


def _measure_pending(
    planned: Sequence[Case],
    protocol: MeasurementProtocol,
    store: Store,
    server: Server,
    reasons: Mapping[Case, str],
    deadline: float | None,
    on_progress: OnProgress,
    options: RunOptions,
) -> int:
    """How many cases the budget left.

    One server for each replicate: processes of one server share its memory layout, replicates must not.
    """
    todo = feasibility.pending(planned, store.records())
    done = len(planned) - len(todo)
    for case in set(planned).difference(todo):  # a run that was killed when its record had just come
        _forget_checkpoint(case, store.directory)
    fresh: Server | None = server
    for _, group in groupby(todo, key=lambda case: case.replicate):
        cases = list(group)
        with ExitStack() as stack:
            current = fresh or stack.enter_context(server_for(cases, gpu=options.gpu))
            fresh = None
            for case in cases:
                if deadline is not None and time.monotonic() >= deadline:
                    return len(planned) - done
                on_progress(Progress(case=case, done=done, total=len(planned)))
                described = environment.describe()
                reason = reasons.get(case)
                record = attempt(case, protocol, described, store.directory, current, reason, options)
                record = store.append(record)
                if not feasibility.is_retried(record):
                    _forget_checkpoint(case, store.directory)
                done += 1
                on_progress(Progress(case=case, done=done, total=len(planned), record=record))
    return 0


def _forget_checkpoint(case: Case, directory: Path) -> None:
    """What a training run went on from is as large as the network; its record has come."""
    if case.task is None:
        return
    kept = checkpoint_of(case, directory)
    for path in kept.parent.glob(f"{kept.name}*"):  # also what a killed process was just writing beside it
        path.unlink(missing_ok=True)
    with suppress(OSError):  # others' are still in it, or there never was one
        (directory / CHECKPOINTS).rmdir()
