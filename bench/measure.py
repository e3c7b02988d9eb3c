"""One case -> one record, by a child process; whatever becomes of the child."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import structs

from bench import engines, job
from bench.case import Case, Protocol
from bench.launch import Outcome, Server
from bench.record import Environment, Record


def measure(
    case: Case,
    protocol: Protocol,
    environment: Environment,
    directory: Path,
    server: Server,
    reason: str | None = None,
) -> Record:
    """The record of one case: skipped where there is a `reason`, or what its process left behind.

    What the child printed is kept in `directory`/logs, unless all went well.
    """
    unmeasured = Record(
        case=case,
        protocol=protocol,
        status="skipped",
        reason=reason,
        environment=environment,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if reason is not None:
        return unmeasured
    asked = job.Job(case=case, protocol=protocol, environment=environment)
    try:
        outcome = _run(asked, directory, server)
        if outcome.result is None:
            assert outcome.kind != "result"
            return structs.replace(unmeasured, status=outcome.kind, reason=outcome.reason)
        record = msgspec.json.decode(outcome.result, type=job.Finished).record
    except msgspec.DecodeError as error:
        # A user's module may print into, or replace, anything in its process.
        return structs.replace(unmeasured, status="crashed", reason=f"unreadable result: {error}")
    if record.status == "ok":
        log_of(case, directory).unlink(missing_ok=True)
    return record


def log_of(case: Case, directory: Path) -> Path:
    """Where the output of a case's process goes."""
    return directory / "logs" / f"{case.file_name}.log"


def _run(asked: job.Job, directory: Path, server: Server) -> Outcome:
    """Measure in a child; for an engine that compiles, after another child that met an empty cache."""
    work = directory / "work" / asked.case.file_name
    log = log_of(asked.case, directory)
    try:
        if engines.get(asked.case.engine).compiles:
            asked = structs.replace(asked, cache_folder=str((work / "cache").resolve()))
            outcome = _child(job.COMPILE_COLD, asked, work, log, server)
            if outcome.result is None:
                return outcome
            cold = msgspec.json.decode(outcome.result, type=job.ColdCompile)
            asked = structs.replace(asked, cold=cold)
        return _child(job.MEASURE, asked, work, log, server)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _child(function: str, asked: job.Job, work: Path, log: Path, server: Server) -> Outcome:
    return server.run(
        function,
        msgspec.json.encode(asked),
        folder=work / "result",
        log=log,
        time_limit_seconds=asked.protocol.time_limit_seconds,
    )
