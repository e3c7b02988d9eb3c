"""convbench history: published latencies against this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench import devices
from bench.cli import old_spellings, options, output, section_names
from bench.cli.evidence_runs import (
    Device,
    DryRun,
    From,
    Out,
    Replicates,
    Resume,
    Run,
    Threads,
    code_of,
    folders_with,
    records_folder,
    refuse_without_run,
    repeated,
    run_missing,
    setting_of,
    show_document,
    summary_of,
)
from bench.plan import suite_plan
from bench.plan.ablations import sizes
from reports.pages import plan_report


# long: its parameters are the command's options.
def history(
    folders: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,  # the old form of --from
    run: Run = False,
    from_: From = None,
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
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Compare this machine with latencies published in 2015-2017."""
    from reports.history import history_report
    from reports.history import then_and_now as then
    from reports.sections.asked import Asked

    output.check_format(format_)
    section_names.check("history", section, full=full)
    run_options = options.run_options_of(gpu, lock_clocks)
    if folders:
        old_spellings.say_old("history FOLDER", "history --from FOLDER")
    known = [*(from_ or []), *(folders or [])]
    summary_of(known)  # folders that cannot be read are an error before anything is measured
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
    asked = Asked(
        folders=tuple(known),
        out=out,
        is_used=bool(folders_with(out, ())),
        options=repeated(device, threads),
    )
    document = history_report.document(summary, asked)
    show_document(document, out, format_, "history.md", section=section, full=full)
    return code_of(result)
