"""The largest batches on this machine: every batch that is run is a process, and leaves a record."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench.forkserver.client import Server
from bench.host import environment
from bench.plan import feasibility
from bench.runner.attempt import attempt
from bench.runner.case_server import server_for
from bench.runner.clock_lock import clocks_locked
from bench.runner.events import OnProgress, Progress
from bench.runner.questions import ask_child, unrunnable
from bench.runner.resumed_networks import refuse_changed
from bench.runner.run_options import RunOptions
from bench.schema import job
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Record
from bench.store import RECORDS, Store, refuse_used
from bench.studies.max_batch.batch_search import MOST_TRIES, LargestBatch, largest_batch, limit_of
from models.errors import UserError


class BatchRequest(Struct, frozen=True, kw_only=True):
    """What is searched for: the largest batch of each case within `memory`, as `limit_of` reads it."""

    cases: Sequence[Case]
    memory: str | None
    protocol: MeasurementProtocol
    budget_seconds: float | None = None
    resume: bool = False
    options: RunOptions = RunOptions()

    @property
    def most_runs(self) -> int:
        """Of all searches together."""
        return MOST_TRIES * len(self.cases)


def find_largest(request: BatchRequest, directory: Path, on_progress: OnProgress) -> list[LargestBatch]:
    """One answer for each case; with `resume` no batch is run again of which `directory` has a record.

    Raises UserError where a case cannot run here, for a limit that the machine does not have, or where the
    directory refuses.
    """
    deadline = math.inf if request.budget_seconds is None else time.monotonic() + request.budget_seconds
    resuming = request.resume and (directory / RECORDS).exists()
    if not resuming:
        refuse_used(directory)
    with ExitStack() as stack:
        stack.enter_context(clocks_locked(request.options, request.cases))
        store = stack.enter_context(Store.resume(directory)) if resuming else None
        if store is not None:
            store.refuse_others(lambda case: any(_is_sized(case, each) for each in request.cases))
        server = stack.enter_context(server_for(request.cases, gpu=request.options.gpu))
        for case, reason in unrunnable(request.cases, server).items():
            raise UserError(f"{case.model} cannot run on this machine: {reason}")
        free = {device: _free_memory(device, server) for device in {case.device for case in request.cases}}
        limits = [limit_of(request.memory, free[case.device], case) for case in request.cases]
        refuse_changed(store, request.cases, server)
        store = store or stack.enter_context(Store.create(directory))
        stack.callback(shutil.rmtree, directory / "work", ignore_errors=True)
        runs = _Runs(request, store, server, on_progress)
        return [
            largest_batch(case, limit, runs.measure, lambda: time.monotonic() < deadline)
            for case, limit in zip(request.cases, limits, strict=True)
        ]


def _is_sized(case: Case, asked: Case) -> bool:
    return structs.replace(case, batch=asked.batch) == asked


class _Runs:
    """The processes of all searches, those of an earlier command among them."""

    def __init__(self, request: BatchRequest, store: Store, server: Server, on_progress: OnProgress) -> None:
        self._request, self._store, self._server, self._on_progress = request, store, server, on_progress
        self._known = {r.case: r for r in store.records() if not feasibility.is_retried(r)}
        self._done = 0

    def measure(self, case: Case) -> Record:
        """The record of a case, which is run unless there is one."""
        if case not in self._known:
            total = self._request.most_runs
            self._on_progress(Progress(case=case, done=self._done, total=total))
            described = environment.describe()
            record = attempt(
                case,
                self._request.protocol,
                described,
                self._store.directory,
                self._server,
                options=self._request.options,
            )
            self._known[case] = self._store.append(record)
            self._done += 1
            self._on_progress(Progress(case=case, done=self._done, total=total, record=record))
        return self._known[case]


def _free_memory(device: str, server: Server) -> int:
    """Bytes that a process may take, asked in one: for a GPU that is beside what every process has there."""
    failing = "how much memory is free could not be asked"
    answer = ask_child(job.FREE_MEMORY, msgspec.json.encode(device), server, failing=failing)
    return msgspec.json.decode(answer, type=int)
