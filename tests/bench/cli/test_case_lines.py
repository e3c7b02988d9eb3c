"""What a run says where no terminal shows a bar: a line for each process, and every failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import case_lines, kept_run, output, progress
from bench.cli.case_lines import CaseLines
from bench.runner.events import Progress
from bench.runner.run_folder import log_of
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.record import Measurement, Record, Status

CASE = Case(model="vgg11", replicate=2)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> output.Settings:
    fresh = output.Settings()
    kept_run.current.begin(None)
    monkeypatch.setattr(output, "settings", fresh)
    return fresh


def ended(done: int, status: Status = "ok", reason: str | None = None) -> Progress:
    wall = Measurement(phase="forward", metric="wall_time", unit="s", samples=[0.124, 0.126, 0.126])
    record = Record(
        case=CASE,
        protocol=MeasurementProtocol(),
        status=status,
        reason=reason,
        measurements=[wall] if status == "ok" else [],
        started_at="now",
    )
    return Progress(case=CASE, done=done, total=38, record=record)


def test_a_line_has_the_count_the_figure_and_the_time_left() -> None:
    times = iter((0.0, 12.0, 20.0))
    lines = CaseLines(clock=lambda: next(times))
    assert lines.told(ended(8)) == f"8/38 {CASE.id} #2: 126 ms, took 12 s, about 6 minutes left"
    assert lines.told(ended(38)) == f"38/38 {CASE.id} #2: 126 ms, took 8 s"


def test_a_failure_has_its_reason_and_where_asked_its_log(tmp_path: Path, settings: output.Settings) -> None:
    kept_run.current.begin(tmp_path)
    log = log_of(CASE, tmp_path)
    log.parent.mkdir()
    log.write_text("why")
    failed = ended(4, "crashed", "ValueError: no")
    assert case_lines.failure(failed) == f"crashed: {CASE.id}: ValueError: no"
    settings.is_verbose = True
    assert case_lines.failure(failed) == f"crashed: {CASE.id}: ValueError: no; log: {log}"
    assert "126 ms, 3 samples, took" in CaseLines().told(ended(5))


def test_piped_runs_say_each_process_and_quiet_ones_failures_alone(
    capsys: pytest.CaptureFixture[str], settings: output.Settings
) -> None:
    for is_quiet in (False, True):
        settings.is_quiet = is_quiet
        with progress.progress(38) as on_progress:
            on_progress(Progress(case=CASE, done=0, total=38))
            on_progress(ended(1))
            on_progress(ended(2, "timeout", "timed out after 20 s"))
        said = capsys.readouterr().err.splitlines()
        assert len(said) == (1 if is_quiet else 2)
        assert said[-1].startswith(f"convbench: 2/38 timeout: {CASE.id}: timed out after 20 s (took ")
        assert said[0].startswith("convbench: 1/38") != is_quiet
    assert (kept_run.current.done, kept_run.current.total) == (2, 38)


def test_python_is_told_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress(38, in_lines=False) as on_progress:
        on_progress(ended(1, "crashed", "why"))
    assert capsys.readouterr().err == ""
