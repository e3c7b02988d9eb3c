"""For each pending case: launch, append, tell."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench import engines, environment, job, plan
from bench.case import Case, Protocol
from bench.errors import UserError
from bench.launch import Outcome, Server
from bench.record import Record, Status
from bench.store import RECORDS, Store, refuse_used

_PROBE_SECONDS = 120.0
"""Time to ask torch what this machine can do; a first CUDA context takes seconds."""


class Progress(Struct, frozen=True, kw_only=True):
    """Told before a case starts (`record` is None) and after it was appended; `done` counts finished ones."""

    case: Case
    done: int
    total: int
    record: Record | None = None


Tell = Callable[[Progress], None]


class Result(Struct, frozen=True, kw_only=True):
    """How a run ended.

    statuses  of all the plan's cases that have a record
    left      cases that the budget left for `--resume`
    warning   what was repaired in the records, or None
    """

    statuses: Mapping[Status, int]
    left: int
    warning: str | None


def execute(
    planned: Sequence[Case],
    protocol: Protocol,
    directory: Path,
    *,
    resume: bool,
    budget_seconds: float | None,
    tell: Tell,
) -> Result:
    """Measure what is pending of `planned`; every record is in `directory` before the next case starts.

    Raises UserError when nothing of the plan can run here or the directory refuses: nothing was changed.
    """
    deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
    resuming = resume and (directory / RECORDS).exists()
    if not resuming:
        refuse_used(directory)  # before seconds are spent on asking torch
    with ExitStack() as stack:
        resumed = stack.enter_context(Store.resume(directory)) if resuming else None
        server = stack.enter_context(Server(preload=job.preload(planned)))
        reasons = why_not(planned, server)
        if all(case in reasons for case in planned):
            raise UserError(f"nothing of this plan can run here: {reasons[planned[0]]}")
        store = resumed or stack.enter_context(Store.create(directory))
        left = _measure_pending(planned, protocol, store, server, reasons, deadline, tell)
        shutil.rmtree(directory / "work", ignore_errors=True)
        ended = store.statuses()
        statuses = Counter(ended[case] for case in planned if case in ended)
        return Result(statuses=statuses, left=left, warning=store.warning)


def why_not(planned: Iterable[Case], server: Server) -> dict[Case, str]:
    """Every case that contradicts itself or that torch cannot run on this machine, with the reason."""
    reasons = {case: reason for case in planned if (reason := plan.why_impossible(case))}
    kinds = {(case.device, case.precision): case for case in reversed(list(planned)) if case not in reasons}
    unusable = dict(zip(kinds, _ask_torch(list(kinds.values()), server), strict=True))
    for case in planned:
        reason = unusable.get((case.device, case.precision))
        if reason is not None:
            reasons.setdefault(case, reason)
    return reasons


def _ask_torch(cases: list[Case], server: Server) -> list[str | None]:
    """`worker.why_unusable` in a child, so that neither the parent nor the server touches a device."""
    with tempfile.TemporaryDirectory(prefix="convbench-") as folder:
        outcome = server.run(
            job.WHY_UNUSABLE,
            msgspec.json.encode(cases),
            folder=Path(folder) / "probe",
            log=Path(folder) / "probe.log",
            time_limit_seconds=_PROBE_SECONDS,
        )
    if outcome.result is None:
        raise UserError(f"torch could not say what this machine can run: {outcome.reason}")
    return msgspec.json.decode(outcome.result, type=list[str | None])


def _measure_pending(
    planned: Sequence[Case],
    protocol: Protocol,
    store: Store,
    server: Server,
    reasons: Mapping[Case, str],
    deadline: float | None,
    tell: Tell,
) -> int:
    """How many cases the budget left.

    One server for each replicate: processes of one server share its memory layout, replicates must not.
    """
    todo = plan.pending(planned, store.statuses())
    done = len(planned) - len(todo)
    fresh: Server | None = server
    for _, cases in groupby(todo, key=lambda case: case.replicate):
        with ExitStack() as stack:
            current = fresh or stack.enter_context(Server(preload=job.preload(planned)))
            fresh = None
            for case in cases:
                if deadline is not None and time.monotonic() >= deadline:
                    return len(planned) - done
                tell(Progress(case=case, done=done, total=len(planned)))
                record = _record(case, protocol, store.directory, current, reasons.get(case))
                record = store.append(record)
                done += 1
                tell(Progress(case=case, done=done, total=len(planned), record=record))
    return 0


def _record(case: Case, protocol: Protocol, directory: Path, server: Server, reason: str | None) -> Record:
    """The record of one case: skipped without a process, or what its process left behind."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    unmeasured = Record(
        case=case,
        protocol=protocol,
        status="skipped",
        reason=reason,
        environment=environment.describe(),
        started_at=started_at,
    )
    if reason is not None:
        return unmeasured
    outcome = run_child(case, protocol, directory, server)
    if outcome.result is None:
        assert outcome.kind != "result"
        return structs.replace(unmeasured, status=outcome.kind, reason=outcome.reason)
    try:
        return msgspec.json.decode(outcome.result, type=job.Finished).record
    except msgspec.DecodeError as error:
        # A user's module may print into, or replace, anything in its process.
        return structs.replace(unmeasured, status="crashed", reason=f"unreadable result: {error}")


def run_child(case: Case, protocol: Protocol, directory: Path, server: Server) -> Outcome:
    """Measure in a child; for an engine that compiles, after another child that met an empty cache."""
    work = directory / "work" / case.file_name
    log = directory / "logs" / f"{case.file_name}.log"
    asked = job.Job(case=case, protocol=protocol, environment=environment.describe())
    try:
        if engines.get(case.engine).compiles:
            asked = structs.replace(asked, cache_folder=str((work / "cache").resolve()))
            outcome = _child(job.COMPILE_COLD, asked, work, log, server)
            if outcome.result is None:
                return outcome
            cold = msgspec.json.decode(outcome.result, type=job.ColdCompile)
            asked = structs.replace(asked, cold=cold)
        return _child(job.MEASURE, asked, work, log, server)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if log.exists() and log.stat().st_size == 0:
            log.unlink()


def _child(function: str, asked: job.Job, work: Path, log: Path, server: Server) -> Outcome:
    return server.run(
        function,
        msgspec.json.encode(asked),
        folder=work / "result",
        log=log,
        time_limit_seconds=asked.protocol.time_limit_seconds,
    )
