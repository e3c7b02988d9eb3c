"""Caches that outlive their process: the empty one is met once for each case, and else by every process."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.forkserver.outcome import Outcome
from bench.runner.attempt import attempt
from bench.runner.run_options import RunOptions
from bench.schema import job
from bench.schema.case import Case, MeasurementProtocol
from tests.planted import planted_records

pytestmark = pytest.mark.slow

CASE = Case(model="lenet5", engine="compile")


class FakeServer:
    """Answers each job as its child would, and fills the cache that it is given."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.colds: list[float | None] = []

    def run(self, question: str, argument: bytes, **_: object) -> Outcome:
        asked = msgspec.json.decode(argument, type=job.Job)
        self.questions.append(question)
        assert asked.cache_folder is not None
        Path(asked.cache_folder).mkdir(parents=True, exist_ok=True)
        if question == job.COMPILE_COLD:
            return Outcome(
                kind="result", result=msgspec.json.encode(job.ColdCompile(seconds=9, casts=0)), seconds=1
            )
        self.colds.append(asked.cold.seconds if asked.cold else None)
        finished = job.JobResult(record=planted_records.record(asked.case), first_step_at=None)
        return Outcome(kind="result", result=msgspec.json.encode(finished), seconds=1)


@pytest.mark.parametrize(("kept", "colds"), [(False, [9, 9]), (True, [9, None])])
def test_a_kept_cache_is_compiled_into_once(tmp_path: Path, kept: bool, colds: list[float | None]) -> None:
    server = FakeServer()
    options = RunOptions(caches=tmp_path / "caches") if kept else RunOptions()
    for replicate in (1, 2):
        case = msgspec.structs.replace(CASE, replicate=replicate)
        record = attempt(
            case,
            MeasurementProtocol(),
            planted_records.MACHINE,
            tmp_path,
            server,  # type: ignore[arg-type]
            options=options,
        )
        assert record.status == "ok"
    assert server.colds == colds
    assert server.questions.count(job.COMPILE_COLD) == len([cold for cold in colds if cold])
    assert list((tmp_path / "work").rglob("*")) == []
    assert (tmp_path / "caches").exists() == kept
