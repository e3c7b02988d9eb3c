"""What only a child can answer before a run: whether torch can run a case here, whether data are there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from bench import devices, engines
from bench.forkserver.client import Server
from bench.plan import feasibility
from bench.runner.run_options import RunOptions
from bench.schema import job
from bench.schema.case import Case
from bench.schema.job import CEILINGS, COMPILE_COLD, MEASURE, MEASURE_RANKS, TRAIN
from models.errors import UserError

_PROBE_SECONDS = 120.0
"""Time to ask torch what this machine can do; a first CUDA context takes seconds."""
_FETCH_SECONDS = 7200.0
"""Time to download a dataset; a server that falls silent is given up much earlier."""


def unrunnable(planned: Iterable[Case], server: Server) -> dict[Case, str]:
    """Every case that contradicts itself or that torch cannot run on this machine, with the reason."""
    reasons = {case: reason for case in planned if (reason := feasibility.why_impossible(case))}
    # Another installation may not know a case for what this one does not look at.
    kind = Case.without_replicate if server.is_foreign else _kind
    kinds = {kind(case): case for case in reversed(list(planned)) if case not in reasons}
    unusable = dict(zip(kinds, _ask_torch(list(kinds.values()), server), strict=True))
    for case in planned:
        reason = unusable.get(kind(case))
        if reason is not None:
            reasons.setdefault(case, reason)
    return reasons


def refuse_idle_devices(planned: Sequence[Case], reasons: Mapping[Case, str], auto: bool) -> None:
    """UserError where nothing can run for these reasons, or nothing on a device that was chosen for the
    user."""
    if all(case in reasons for case in planned):
        raise UserError(feasibility.none_can_run(planned, reasons[planned[0]]))
    if not auto:
        return
    able = {case.device for case in planned if case not in reasons}
    host = devices.host().name  # which `auto` takes where it must
    for device in {case.device for case in planned} - able - {host}:
        reason = next(reasons[case] for case in planned if case.device == device)
        raise UserError(
            f"--device auto chose {device}, where no case can run: {reason}. Give --device {host}"
        )


def _kind(case: Case) -> tuple[str, str, str, str]:
    """What decides whether torch can run a case on a machine."""
    return case.device, case.precision, case.engine, case.strategy


def _ask_torch(cases: list[Case], server: Server) -> list[str | None]:
    """`worker.why_unusable` in a child, so that neither the parent nor the server touches a device."""
    answer = ask_child(job.WHY_UNUSABLE, job.encode(cases), server)
    return msgspec.json.decode(answer, type=list[str | None])


def fetch(planned: Iterable[Case], options: RunOptions, server: Server) -> None:
    """See to it that the data of all training runs lie there whole. Raises UserError."""
    folder = None if options.data_dir is None else str(options.data_dir.resolve())
    for dataset in dict.fromkeys(case.task.dataset for case in planned if case.task):
        argument = msgspec.json.encode((dataset, folder))
        answer = ask_child(job.FETCH, argument, server, _FETCH_SECONDS, f"{dataset} could not be fetched")
        refusal = msgspec.json.decode(answer, type=str | None)
        if refusal is not None:
            raise UserError(refusal)


def ask_child(
    question: str,
    argument: bytes,
    server: Server,
    limit_seconds: float = _PROBE_SECONDS,
    failing: str = "torch could not say what this machine can run",
) -> bytes:
    """A question to a child of the server that measures nothing. Raises UserError when it cannot answer,
    which begins with `failing`."""
    with tempfile.TemporaryDirectory(prefix="convbench-") as folder:
        outcome = server.run(
            question,
            argument,
            folder=Path(folder) / "probe",
            log=Path(folder) / "probe.log",
            time_limit_seconds=limit_seconds,
        )
    if outcome.result is None:
        raise UserError(f"{failing}: {outcome.reason}")
    return outcome.result


def questions_of(cases: Iterable[Case]) -> tuple[str, ...]:
    """What has to be asked to measure these cases, each once."""
    found: dict[str, None] = {}
    for case in cases:
        found[question_of(case)] = None
        if case.task is None and engines.get(case.engine).compiles:
            found[COMPILE_COLD] = None
    return tuple(found)


def question_of(case: Case) -> str:
    """What is asked for a case's record."""
    if case.task is not None:
        return TRAIN
    if case.strategy:
        return MEASURE_RANKS
    return CEILINGS if case.workload == "ceiling" else MEASURE
