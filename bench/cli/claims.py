"""convbench claims: what textbooks say, beside what is measured here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import devices
from bench.cli import completion, options, output
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
from bench.plan import expand, suite_plan
from bench.plan.ablations import sizes
from bench.schema.case import Case
from reports.pages import plan_report

if TYPE_CHECKING:
    from reports.claims.claim import Claim
    from reports.claims.evidence import Setting
    from reports.summary.figures import Summary


# long: its parameters are the command's options.
def claims(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID...]", help="All without it.", autocompletion=completion.CLAIM),
    ] = None,
    run: Run = False,
    from_: Annotated[
        list[Path] | None, typer.Option("--from", help="A run whose records are evidence; repeat for more.")
    ] = None,
    out: Out = None,
    device: Device = "auto",
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    threads: Threads = None,
    replicates: Replicates = None,
    seeds: Annotated[str | None, typer.Option(help="Training runs of each network.")] = None,
    budget: options.Budget = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    plain_intervals: options.PlainIntervals = False,
    format_: options.Format = "md",
) -> int:
    """Judge what textbooks say about AlexNet and VGG by arithmetic, by runs there are, or by new ones."""
    from reports import claims as textbook

    output.check_format(format_)
    run_options = options.run_options_of(gpu, lock_clocks)
    wanted = textbook.find(names or [])
    folders = list(from_ or [])
    known = summary_of(folders)
    setting = setting_of(device, threads, replicates, seeds, known)
    seconds = suite_plan.seconds_of(budget)
    refuse_without_run(run or dry_run, resume=resume, budget=budget)
    result = None
    if run or dry_run:
        missing = _missing(wanted, setting, known)
        protocol = sizes(devices.traits(setting.device).scale).protocol
        if dry_run:
            output.show(plan_report.dry_run(missing, protocol, format_))
            return 0
        result = run_missing(missing, protocol, records_folder(out), resume, seconds, device, run_options)
    found = summary_of(folders_with(out, folders), plain_intervals=plain_intervals)
    _report(wanted, setting, found, out, format_)
    return code_of(result)


def _missing(wanted: Sequence[Claim], setting: Setting, known: Summary | None) -> list[Case]:
    """The processes that the claims need and no given run has, in the order of measuring."""
    from reports.claims.evidence import gather

    evidence = gather(known, setting)
    needed = {case for claim in wanted for case in claim.needs(setting)}
    lacking = {case for case in needed if not evidence.has_process(case)}
    once = list(
        dict.fromkeys(case for claim in wanted for case in claim.needs(setting) if case.replicate == 1)
    )
    rounds = expand.interleave_replicates(once, max(setting.replicates, setting.seeds))
    return [case for case in rounds if case in lacking]


def _report(
    wanted: Sequence[Claim], setting: Setting, summary: Summary | None, out: Path | None, format_: str
) -> None:
    """Print the judgements; into --out they go as claims.md."""
    from reports.claims import claims_report
    from reports.claims.evidence import gather

    document = claims_report.document(
        claims_report.answers(wanted, gather(summary, setting)), setting, summary
    )
    show_document(document, out, format_, "claims.md")
