"""convbench claims and history: what textbooks and old tables say, beside what is measured here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import exit_code, options, output, run_cases
from bench.host import environment
from bench.plan import axes, expand
from bench.plan.ablations import sizes
from bench.plan.axes import AXES
from bench.schema.case import Case, Protocol
from bench.store import RECORDS
from models.errors import UserError
from reports.pages import catalogue_report

if TYPE_CHECKING:
    from bench.runner.execute import Result
    from reports.claims.claim import Claim
    from reports.claims.evidence import Setting
    from reports.document import Document
    from reports.summary.figures import Summary

Run = Annotated[bool, typer.Option("--run", help="Run what is missing, into --out.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the report, and for the records of --run.")]
Device = Annotated[str, typer.Option("--device", help=AXES["device"].summary)]
Threads = Annotated[str | None, typer.Option("--threads", help=AXES["threads"].summary)]
Replicates = Annotated[str | None, typer.Option(help="Processes for each timed case.")]
Resume = Annotated[bool, typer.Option("--resume", help="Run what is missing, crashed or timed out.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would run and write nothing.")]


def claims(
    names: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="All without it.")] = None,
    run: Run = False,
    from_: Annotated[
        list[Path] | None, typer.Option("--from", help="A run whose records are evidence; repeat for more.")
    ] = None,
    out: Out = None,
    device: Device = "auto",
    threads: Threads = None,
    replicates: Replicates = None,
    seeds: Annotated[str | None, typer.Option(help="Training runs of each network.")] = None,
    budget: options.Budget = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    format_: options.Format = "md",
) -> int:
    """Judge what textbooks say about AlexNet and VGG by arithmetic, by runs there are, or by new ones."""
    from reports import claims as textbook

    output.check_format(format_)
    wanted = textbook.find(names or [])
    folders = list(from_ or [])
    known = _summary(folders)
    setting = _setting(device, threads, replicates, seeds, known)
    seconds = options.seconds_of(budget)
    if (resume or budget) and not (run or dry_run):
        raise UserError("--resume and --budget say how to run: they need --run")
    result = None
    if run or dry_run:
        missing = _missing(wanted, setting, known)
        protocol = sizes(gpu=setting.device == "cuda").protocol
        if dry_run:
            output.show(catalogue_report.dry_run(missing, protocol, format_))
            return 0
        result = _execute(missing, protocol, _folder(out), resume, seconds, device)
    _report(wanted, setting, _with(out, folders), out, format_)
    return _code(result)


def history(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR...]", help="Runs that have measured the same work.")
    ] = None,
    run: Run = False,
    out: Out = None,
    device: Device = "auto",
    threads: Threads = None,
    replicates: Replicates = None,
    budget: options.Budget = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    format_: options.Format = "md",
) -> int:
    """Published latencies of 2015 to 2017 beside the latency of the same work here; shortest steps first."""
    from reports.history import then_and_now as then

    output.check_format(format_)
    known = list(folders or [])
    _summary(known)  # what cannot be read is said before anything is measured
    setting = _setting(device, threads, replicates, None, None)
    seconds = options.seconds_of(budget)
    if (resume or budget) and not (run or dry_run):
        raise UserError("--resume and --budget say how to run: they need --run")
    result = None
    if run or dry_run:
        cases = then.planned(setting.device, setting.threads, setting.replicates)
        protocol = sizes(gpu=setting.device == "cuda").protocol
        if dry_run:
            output.show(catalogue_report.dry_run(cases, protocol, format_))
            return 0
        result = _execute(cases, protocol, _folder(out), resume, seconds, device)
    _history_report(_with(out, known), out, format_)
    return _code(result)


def _folder(out: Path | None) -> Path:
    if out is None:
        raise UserError("--run needs a folder for the records: --out DIR")
    return out


def _with(out: Path | None, folders: Sequence[Path]) -> list[Path]:
    """The folders whose records count, --out last if it holds any."""
    own = out is not None and (out / RECORDS).exists() and (out / RECORDS).stat().st_size > 0
    return [*folders, out] if out is not None and own else list(folders)


def _history_report(folders: Sequence[Path], out: Path | None, format_: str) -> None:
    """Print it; into --out also history.md and its plot."""
    from reports.history import history_report

    _show(history_report.document(_summary(folders)), out, format_, "history.md")


def _show(document: Document, out: Path | None, format_: str, name: str) -> None:
    """Print it; into --out, if there is one, also under this name."""
    from reports import formats

    if out is None:
        output.show(formats.render(format_, document))
        return
    out.mkdir(parents=True, exist_ok=True)
    output.show(run_cases.publish(document, out, format_, name))


def _setting(
    device: str, threads: str | None, replicates: str | None, seeds: str | None, known: Summary | None
) -> Setting:
    """With `auto` also the records of a GPU are a GPU, wherever they are read."""
    from reports.claims.claim import usual_counts
    from reports.claims.evidence import Setting

    [chosen] = axes.read("device", [device])
    if chosen == "auto":
        recorded = known is not None and any(figure.case.device == "cuda" for figure in known.figures)
        chosen = "cuda" if recorded or expand.gpu_present() else "cpu"
    processes, runs = usual_counts(gpu=chosen == "cuda")
    usable = environment.usable_cores()
    return Setting(
        device=str(chosen),
        threads=usable if threads is None else int(axes.read("threads", [threads])[0]),
        replicates=processes
        if replicates is None
        else axes.whole_number("--replicates", replicates, 1, 1000),
        seeds=runs if seeds is None else axes.whole_number("--seeds", seeds, 1, 1000),
    )


def _summary(folders: Sequence[Path]) -> Summary | None:
    from reports.summary.pooling import summarise

    return summarise(folders) if folders else None


def _missing(wanted: Sequence[Claim], setting: Setting, known: Summary | None) -> list[Case]:
    """The processes that the claims need and no given run has, in the order of measuring."""
    from reports.claims.evidence import gather

    evidence = gather(known, setting)
    needed = {case for claim in wanted for case in claim.needs(setting)}
    lacking = {case for case in needed if not evidence.has_process(case)}
    once = list(
        dict.fromkeys(case for claim in wanted for case in claim.needs(setting) if case.replicate == 1)
    )
    rounds = expand.replicated(once, max(setting.replicates, setting.seeds))
    return [case for case in rounds if case in lacking]


def _execute(
    missing: Sequence[Case], protocol: Protocol, out: Path, resume: bool, budget: float | None, device: str
) -> Result | None:
    """Run the cases into the folder; None where there are none."""
    if not missing:
        return None
    result = run_cases.run(missing, protocol, out, resume=resume, budget=budget, auto=device == "auto")
    exit_code.say_repaired(result)
    exit_code.say_left(result, len(missing))
    return result


def _report(
    wanted: Sequence[Claim], setting: Setting, folders: Sequence[Path], out: Path | None, format_: str
) -> None:
    """Print the judgements; into --out they go as claims.md."""
    from reports.claims import claims_report
    from reports.claims.evidence import gather

    summary = _summary(folders)
    document = claims_report.document(
        claims_report.answers(wanted, gather(summary, setting)), setting, summary
    )
    _show(document, out, format_, "claims.md")


def _code(result: Result | None) -> int:
    return exit_code.code(result) if result else 0
