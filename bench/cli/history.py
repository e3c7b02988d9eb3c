"""convbench history: published latencies, beside what is measured here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import devices
from bench.cli import options, output
from bench.cli.evidence_runs import (
    Device,
    DryRun,
    Out,
    Replicates,
    Resume,
    Run,
    Threads,
    code_of,
    folders_with,
    records_folder,
    refuse_without_run,
    run_missing,
    setting_of,
    show_document,
    summary_of,
)
from bench.plan import suite_plan
from bench.plan.ablations import sizes
from reports.pages import plan_report

if TYPE_CHECKING:
    from reports.summary.figures import Summary


def history(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR...]", help="Runs that have measured the same work.")
    ] = None,
    run: Run = False,
    out: Out = None,
    device: Device = "auto",
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    threads: Threads = None,
    replicates: Replicates = None,
    budget: options.Budget = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    plain_intervals: options.PlainIntervals = False,
    format_: options.Format = "md",
) -> int:
    """Published latencies of 2015 to 2017 beside the latency of the same work here; shortest steps first."""
    from reports.history import then_and_now as then

    output.check_format(format_)
    run_options = options.run_options_of(gpu, lock_clocks)
    known = list(folders or [])
    summary_of(known)  # what cannot be read is said before anything is measured
    setting = setting_of(device, threads, replicates, None, None)
    seconds = suite_plan.seconds_of(budget)
    refuse_without_run(run or dry_run, resume=resume, budget=budget)
    result = None
    if run or dry_run:
        cases = then.processes(setting.device, setting.threads, setting.replicates)
        protocol = sizes(devices.traits(setting.device).scale).protocol
        if dry_run:
            output.show(plan_report.dry_run(cases, protocol, format_))
            return 0
        result = run_missing(cases, protocol, records_folder(out), resume, seconds, device, run_options)
    summary = summary_of(folders_with(out, known), plain_intervals=plain_intervals)
    _history_report(summary, out, format_)
    return code_of(result)


def _history_report(summary: Summary | None, out: Path | None, format_: str) -> None:
    """Print it; into --out also history.md and its plot."""
    from reports.history import history_report

    show_document(history_report.document(summary), out, format_, "history.md")
