"""convbench claims: what textbooks say, checked by arithmetic and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bench import devices
from bench.cli import completion, options, output, section_names
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
        typer.Argument(
            metavar="[ID...]",
            help="Claims to check, e.g. dropout. [default: all 20]",
            autocompletion=completion.CLAIM,
        ),
    ] = None,
    run: Run = False,
    from_: From = None,
    out: Out = None,
    device: Device = "auto",
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    threads: Threads = None,
    replicates: Replicates = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N", help="Training runs per network. [default: 3]")
    ] = None,
    budget: options.Budget = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    plain_intervals: options.PlainIntervals = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Check 24 textbook claims about AlexNet and VGG against arithmetic and measurements."""
    from reports import claims as textbook
    from reports.claims import claims_report
    from reports.claims.evidence import gather
    from reports.sections.asked import Asked

    output.check_format(format_)
    section_names.check("claims", section, full=full)
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
    evidence = gather(found, setting)
    asked = Asked(
        folders=tuple(folders),
        out=out,
        is_used=bool(folders_with(out, ())),
        options=repeated(device, threads),
    )
    document = claims_report.document(claims_report.answers(wanted, evidence), evidence, found, asked)
    show_document(document, out, format_, "claims.md", section=section, full=full)
    return code_of(result)


def _missing(wanted: Sequence[Claim], setting: Setting, known: Summary | None) -> list[Case]:
    """The processes that the claims need and no given run has, in measuring order."""
    from reports.claims.evidence import gather

    evidence = gather(known, setting)
    needed = {case for claim in wanted for case in claim.needs(setting)}
    lacking = {case for case in needed if not evidence.has_process(case)}
    once = list(
        dict.fromkeys(case for claim in wanted for case in claim.needs(setting) if case.replicate == 1)
    )
    rounds = expand.interleave_replicates(once, max(setting.replicates, setting.seeds))
    return [case for case in rounds if case in lacking]
