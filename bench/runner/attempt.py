"""One case -> one record, by a child process; whatever becomes of the child."""

from __future__ import annotations

import itertools
import math
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import structs

from bench import datasets, engines
from bench.forkserver.client import Outcome, Server
from bench.forkserver.pipe import PipeReader
from bench.forkserver.stopwatch import Stopwatch
from bench.host import command_line
from bench.runner import questions
from bench.runner.kept_record import completed
from bench.runner.rank_folders import rank_files
from bench.runner.run_folder import cache_of, checkpoint_of, forget_logs, log_of
from bench.runner.run_options import RunOptions
from bench.schema import epochs as news
from bench.schema import job
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.epochs import Epoch, History, TrainingEvent, measurements
from bench.schema.record import Environment, Measurement, Record
from bench.schema.spending import added

OVERTIME = 1.1
"""A process that a budget bounds may take so many times what is left of it: the nearly finished are kept."""
_LEAST_SECONDS = 1.0
"""And no less, where its pair or its cold compilation has just spent the last of the budget."""

_event_decoder = msgspec.json.Decoder(TrainingEvent)


def attempt(
    case: Case,
    protocol: MeasurementProtocol,
    environment: Environment,
    directory: Path,
    server: Server,
    reason: str | None = None,
    options: RunOptions | None = None,
    *,
    facts: bool = True,
) -> Record:
    """The record of one case: skipped where there is a `reason`, or what its process left behind.

    Without `facts` the process is asked for times alone, if its installation knows how, and makes no
    deterministic step.

    What the child printed is kept in `directory`/logs, unless all went well. Of a training run that did not
    end, its finished epochs are in the record; of a case that a pass beside its timing ended, all before it.
    """
    asks = facts or not server.knows("Job.facts")
    options = options or RunOptions()
    digests = facts and options.step_digest and server.knows("Job.step_digest")
    asked = job.Job(case=case, protocol=protocol, environment=environment, facts=asks, step_digest=digests)
    unmeasured = _skipped(asked, reason)
    if reason is not None:
        return _signed(unmeasured)
    watch = Stopwatch()
    record = _attempted(asked, unmeasured, directory, server, options, watch)
    if record.status == "ok" and not any(warning.label == "incomplete" for warning in record.warnings):
        forget_logs(case, directory)
    outside = watch.read()
    return _signed(structs.replace(record, seconds=sum(outside.values()), spent=_spent(record, outside)))


def _signed(record: Record) -> Record:
    """With when it was finished and by which command."""
    return structs.replace(record, finished_at=_now(), command=command_line.typed())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _spent(record: Record, outside: Mapping[str, float]) -> dict[str, float]:
    """What a case's seconds went to: what its child says, and of what was seen from `outside` the rest.

    Empty where another installation's child says nothing.
    """
    last = "failing" if "failing" in outside else "starting"
    if last == "starting" and not record.spent:
        return {}
    return added((record.spent, outside, {last: -sum(record.spent.values())}))


def _attempted(
    asked: job.Job,
    unmeasured: Record,
    directory: Path,
    server: Server,
    options: RunOptions,
    watch: Stopwatch,
) -> Record:
    case = asked.case
    epochs: dict[int, Epoch] = {}
    try:
        outcome = _ask(asked, directory, server, options, epochs, watch)
        if outcome.result is None:
            watch.move(math.inf, "starting", "failing")
        record = _found(outcome)
        if record is None:
            assert outcome.kind != "result"
            kept, reason = _measurements(case, epochs), f"{outcome.reason}{_way_out(outcome, options)}"
            return structs.replace(unmeasured, status=outcome.kind, reason=reason, measurements=kept)
    except msgspec.DecodeError as error:
        # A user's module may print into, or replace, anything in its process.
        kept, reason = _measurements(case, epochs), f"unreadable result: {error}"
        return structs.replace(unmeasured, status="crashed", reason=reason, measurements=kept)
    other = _why_another(record, asked)
    if other is not None:
        return structs.replace(unmeasured, status="crashed", reason=other)
    return _with_lock(record, options.lock_clocks_mhz)


def _way_out(outcome: Outcome, options: RunOptions) -> str:
    """What a user can do about the end of a process; nothing where a budget ended it, and not its limit."""
    if outcome.kind == "timeout" and math.isinf(options.ends_by):
        return ". Raise --time-limit, or use a smaller batch"
    return ". Use a smaller batch, or see `convbench max-batch`" if outcome.kind == "oom" else ""


def _found(outcome: Outcome) -> Record | None:
    """The record that a child handed back, or the one that it had kept when a pass beside the timing ended
    it; None where there is neither, and for what was refused."""
    if outcome.result is not None:
        return job.decode_result(outcome.result).record
    if outcome.kept is None or outcome.kind == "invalid":
        return None
    with suppress(msgspec.DecodeError):  # then the case ends as its process did
        return completed(job.decode_kept(outcome.kept), outcome)
    return None


def _with_lock(record: Record, mhz: int | None) -> Record:
    """The record of a GPU says at what its clock was locked: the driver would not tell the child."""
    environment = record.environment
    if mhz is None or environment is None or environment.gpu is None:
        return record
    gpu = structs.replace(environment.gpu, locked_clocks_mhz=mhz)
    return structs.replace(record, environment=structs.replace(environment, gpu=gpu))


def _skipped(asked: job.Job, reason: str | None) -> Record:
    """What is known of a case before it is measured."""
    return Record(
        case=asked.case,
        protocol=asked.protocol,
        status="skipped",
        reason=reason,
        environment=asked.environment,
        started_at=_now(),
    )


def _ask(
    asked: job.Job,
    directory: Path,
    server: Server,
    options: RunOptions,
    epochs: dict[int, Epoch],
    watch: Stopwatch,
) -> Outcome:
    """Measure or train in a child; `epochs` is filled with those that training finishes, by number."""
    if asked.case.task is not None:
        with watch.on("starting"):
            return _train(asked, directory, server, options, epochs)
    trace = None if options.trace is None else str(options.trace.resolve())
    asked = structs.replace(asked, layers=options.layers, trace=trace)
    if asked.case.strategy:
        asked = structs.replace(asked, ranks=rank_files(asked, directory))
    return _run(asked, directory, server, options, watch)


def _why_another(record: Record, asked: job.Job) -> str | None:
    """Why a record is not the one that was asked for: another installation may mean something else by the
    same message. The worker of ceilings has a protocol of its own."""
    if record.case != asked.case:
        return f"the record that came back is of another case: {record.case.id}"
    if record.protocol != asked.protocol and asked.case.workload != "ceiling":
        return "the record that came back was measured by another protocol"
    return None


def _run(asked: job.Job, directory: Path, server: Server, options: RunOptions, watch: Stopwatch) -> Outcome:
    """Measure in a child; for an engine that compiles, after another child that met an empty cache."""
    work = directory / "work" / asked.case.file_name
    cache = work / "cache" if options.caches is None else cache_of(asked.case, options.caches)
    log = log_of(asked.case, directory)
    try:
        if engines.get(asked.case.engine).compiles:
            asked = structs.replace(asked, cache_folder=str(cache.resolve()))
            if not cache.exists():
                with watch.on("compiling"):
                    outcome = _child(job.COMPILE_COLD, asked, work, log, server, options)
                if outcome.result is None:
                    return outcome
                cold = msgspec.json.decode(outcome.result, type=job.ColdCompile)
                asked = structs.replace(asked, cold=cold)
        with watch.on("starting"):
            return _child(questions.question_of(asked.case), asked, work, log, server, options)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _train(
    asked: job.Job, directory: Path, server: Server, options: RunOptions, epochs: dict[int, Epoch]
) -> Outcome:
    work = directory / "work" / asked.case.file_name
    work.mkdir(parents=True, exist_ok=True)

    def on_message(line: bytes) -> None:
        event = _event_decoder.decode(line)
        if isinstance(event, news.EpochDone):
            epochs[event.epoch.number] = event.epoch
        options.on_event(event)

    try:
        with PipeReader(work / "news") as reader:
            files = job.TrainingFiles(
                data_dir=None if options.data_dir is None else str(options.data_dir.resolve()),
                checkpoint=str(checkpoint_of(asked.case, directory).resolve()),
                tensorboard=None if options.tensorboard is None else str(options.tensorboard.resolve()),
                news=str(reader.path.resolve()),
            )
            asked = structs.replace(asked, training=files, cache_folder=str((work / "cache").resolve()))
            log = log_of(asked.case, directory)
            return _child(job.TRAIN, asked, work, log, server, options, reader, on_message)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _measurements(case: Case, epochs: dict[int, Epoch]) -> list[Measurement]:
    """Of a training run that did not end: its curves up to the first epoch of which no news came. They stand
    for no figure."""
    if case.task is None:
        return []
    received = itertools.takewhile(epochs.__contains__, itertools.count(1))
    history = History(epochs=tuple(epochs[number] for number in received))
    return measurements(history, None, learns=datasets.get(case.task.dataset).learns)


def _child(
    question: str,
    asked: job.Job,
    work: Path,
    log: Path,
    server: Server,
    options: RunOptions,
    reader: PipeReader | None = None,
    on_message: Callable[[bytes], None] = lambda line: None,
) -> Outcome:
    left = max(_LEAST_SECONDS, OVERTIME * (options.ends_by - time.monotonic()))
    return server.run(
        question,
        job.encode(asked),
        folder=work / "result",
        log=log,
        time_limit_seconds=min(asked.protocol.time_limit_seconds, left),
        reader=reader,
        on_message=on_message,
    )
