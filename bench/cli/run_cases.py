"""How a command runs its cases and leaves its report: under a bar, and as a file beside its plots."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bench.cli import exit_code, output
from bench.schema.case import Case, MeasurementProtocol

if TYPE_CHECKING:
    from bench.runner.execute import RunResult
    from bench.runner.run_options import RunOptions
    from bench.schema.kept_plan import KeptPlan
    from reports.document import Document


class Shown(Struct, frozen=True, kw_only=True):
    """What is shown of a report, and how: `--format`, `--plain-intervals`, `--section` and `--full`."""

    format_: str
    plain_intervals: bool = False
    section: str | None = None
    full: bool = False


def run(
    planned: Sequence[Case],
    protocol: MeasurementProtocol,
    out: Path,
    *,
    resume: bool,
    budget: float | None,
    auto: bool,
    run_options: RunOptions | None = None,
) -> RunResult:
    """Measure what is pending of the cases into the folder; `bench.runner.execute.run_plan` with a bar over
    the cases.
    """
    from bench.cli import progress
    from bench.runner import execute as runner

    with progress.progress(len(planned)) as on_progress:
        return runner.run_plan(
            planned,
            protocol,
            out,
            resume=resume,
            budget_seconds=budget,
            on_progress=on_progress,
            auto=auto,
            options=run_options,
        )


def run_kept(
    plan: KeptPlan,
    out: Path,
    resume: bool,
    budget: float | None,
    shown: Shown,
) -> int:
    """Run a plan into the folder that keeps it and show the report of all that it holds; the exit code."""
    began = time.monotonic()
    from bench.cli import progress
    from bench.plan import plan_processes
    from bench.runner import execute as runner

    planned = len(plan_processes.of_plan(plan))
    with progress.progress(planned) as on_progress:
        result = runner.run_kept(
            plan, out, resume=resume, budget_seconds=budget, on_progress=on_progress, began=began
        )
    return exit_code.end(result, planned, lambda: report([out], out, shown))


def report(runs: Sequence[Path], out: Path, shown: Shown) -> str | bytes:
    """That of all that the runs hold, left in the folder too."""
    from reports import formats
    from reports.pages import run_report

    document = run_report.build(runs, plain_intervals=shown.plain_intervals)
    leave(document, out)
    return formats.content(shown.format_, output.measured(document, shown.section, shown.full))


def publish(document: Document, out: Path, format_: str, name: str = "report.md") -> str | bytes:
    """Write the document and its plots into the folder; the document in a format."""
    from reports import formats

    leave(document, out, name)
    return formats.content(format_, document)


def leave(document: Document, out: Path, name: str = "report.md") -> None:
    """Write the document and its plots into the folder."""
    from reports import formats
    from reports.drawing import plots

    output.write(out / name, formats.render("md", plots.write(document, out / "plots")))


def run_and_report(
    planned: Sequence[Case],
    protocol: MeasurementProtocol,
    out: Path,
    resume: bool,
    budget: float | None,
    format_: str,
    auto: bool,
    run_options: RunOptions | None = None,
    *,
    plain_intervals: bool = False,
    section: str | None = None,
    full: bool = False,
) -> int:
    """Run the cases into the folder and show the report of all that it holds; the exit code."""
    result = run(planned, protocol, out, resume=resume, budget=budget, auto=auto, run_options=run_options)
    shown = Shown(format_=format_, plain_intervals=plain_intervals, section=section, full=full)
    return exit_code.end(result, len(planned), lambda: report([out], out, shown))
