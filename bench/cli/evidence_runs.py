"""What `claims` and `history` share: where evidence comes from, and measuring what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import devices
from bench.cli import exit_code, output, run_cases
from bench.host import cpu_cores
from bench.plan import axes
from bench.plan.axes import AXES
from bench.runner.run_options import RunOptions
from bench.schema.case import Case, MeasurementProtocol
from bench.store import RECORDS
from models.errors import UserError

if TYPE_CHECKING:
    from bench.runner.execute import RunResult
    from reports.claims.evidence import Setting
    from reports.document import Document
    from reports.summary.figures import Summary


Run = Annotated[bool, typer.Option("--run", help="Measure what is missing; records go to --out.")]
From = Annotated[
    list[Path] | None,
    typer.Option("--from", metavar="FOLDER", help="Use the records of this run too; repeatable."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Save the report, and the records of --run, here. [default: nothing is saved]"
    ),
]
Device = Annotated[str, typer.Option("--device", help=AXES["device"].summary)]
Threads = Annotated[str | None, typer.Option("--threads", metavar="N", help=AXES["threads"].summary)]
Replicates = Annotated[str | None, typer.Option(metavar="N", help="Processes per timed case. [default: 3]")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue this run: measure only missing or failed cases.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the cases, estimated time and disk use; measure nothing.")
]


def refuse_without_run(runs: bool, *, resume: bool, budget: str | None) -> None:
    """UserError for options of a run without --run."""
    if (resume or budget) and not runs:
        raise UserError("--resume and --budget need --run")


def records_folder(out: Path | None) -> Path:
    if out is None:
        raise UserError("--run needs --out FOLDER (for its records)")
    return output.kept_folder(out, resume=False)


def folders_with(out: Path | None, folders: Sequence[Path]) -> list[Path]:
    """The folders whose records are used, --out last if it holds any."""
    own = out is not None and (out / RECORDS).exists() and (out / RECORDS).stat().st_size > 0
    return [*folders, out] if out is not None and own else list(folders)


def show_document(
    document: Document, out: Path | None, format_: str, name: str, *, section: str | None, full: bool
) -> None:
    """Print what --section and --full choose of it; save all of it in --out under this name."""
    from reports import formats

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        run_cases.publish(document, out, format_, name)
    output.show(formats.content(format_, output.measured(document, section, full)))


def setting_of(
    device: str, threads: str | None, replicates: str | None, seeds: str | None, known: Summary | None
) -> Setting:
    """With `auto` the device is a GPU if this machine or the records have one."""
    from reports.claims.claim import usual_counts
    from reports.claims.evidence import Setting

    [chosen] = axes.read("device", [device])
    if chosen == "auto":
        recorded = {figure.case.device for figure in known.figures} if known else set()
        chosen = max({devices.auto(), *recorded}, key=lambda name: devices.traits(name).preference)
    processes, runs = usual_counts(devices.traits(str(chosen)).scale)
    usable = cpu_cores.usable_cores()
    return Setting(
        device=str(chosen),
        threads=usable if threads is None else int(axes.read("threads", [threads])[0]),
        replicates=processes
        if replicates is None
        else axes.whole_number("--replicates", replicates, 1, 1000),
        seeds=runs if seeds is None else axes.whole_number("--seeds", seeds, 1, 1000),
    )


def summary_of(folders: Sequence[Path], *, plain_intervals: bool = False) -> Summary | None:
    """The evidence in these folders.

    UserError for times with a cold L2: published latencies, and those of --run, are of steps in a row.
    """
    from reports.summary.pooling import summarise

    found = summarise(folders, plain_intervals) if folders else None
    if found is not None and found.caches == "cold L2":
        raise UserError(
            "claims and history compare times with warm caches, but these runs were measured with --flush-l2"
        )
    return found


def run_missing(
    missing: Sequence[Case],
    protocol: MeasurementProtocol,
    out: Path,
    resume: bool,
    budget: float | None,
    device: str,
    run_options: RunOptions,
) -> RunResult | None:
    """Measure the cases into the folder; None where there are none."""
    if not missing:
        return None
    result = run_cases.run(
        missing,
        protocol,
        out,
        resume=resume,
        budget=budget,
        auto=device == "auto",
        run_options=run_options,
    )
    exit_code.say_repaired(result)
    exit_code.say_left(result, len(missing))
    return result


def code_of(result: RunResult | None) -> int:
    return exit_code.code(result) if result else 0


def repeated(device: str, threads: str | None) -> tuple[str, ...]:
    """The options that say where evidence is measured, as typed, for a further command."""
    where = () if device == "auto" else ("--device", device)
    return where if threads is None else (*where, "--threads", threads)
