"""What `claims` and `history` share: where evidence comes from, and running what is missing."""

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


Run = Annotated[bool, typer.Option("--run", help="Run what is missing, into --out.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the report, and for the records of --run.")]
Device = Annotated[str, typer.Option("--device", help=AXES["device"].summary)]
Threads = Annotated[str | None, typer.Option("--threads", help=AXES["threads"].summary)]
Replicates = Annotated[str | None, typer.Option(help="Processes for each timed case.")]
Resume = Annotated[bool, typer.Option("--resume", help="Run what is missing, crashed or timed out.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would run and write nothing.")]


def refuse_without_run(runs: bool, *, resume: bool, budget: str | None) -> None:
    """UserError for options of a run where nothing is to run."""
    if (resume or budget) and not runs:
        raise UserError("--resume and --budget say how to run: they need --run")


def records_folder(out: Path | None) -> Path:
    if out is None:
        raise UserError("--run needs a folder for the records: --out DIR")
    return out


def folders_with(out: Path | None, folders: Sequence[Path]) -> list[Path]:
    """The folders whose records count, --out last if it holds any."""
    own = out is not None and (out / RECORDS).exists() and (out / RECORDS).stat().st_size > 0
    return [*folders, out] if out is not None and own else list(folders)


def show_document(document: Document, out: Path | None, format_: str, name: str) -> None:
    """Print it; into --out, if there is one, also under this name."""
    from reports import formats

    if out is None:
        output.show(formats.render(format_, document))
        return
    out.mkdir(parents=True, exist_ok=True)
    output.show(run_cases.publish(document, out, format_, name))


def setting_of(
    device: str, threads: str | None, replicates: str | None, seeds: str | None, known: Summary | None
) -> Setting:
    """With `auto` also the records of a GPU are a GPU, wherever they are read."""
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

    UserError where its times are those of a cold L2: what was published is of steps in a row, and so is what
    --run measures.
    """
    from reports.summary.pooling import summarise

    found = summarise(folders, plain_intervals) if folders else None
    if found is not None and found.caches == "cold L2":
        raise UserError(
            "claims and history are about times with warm caches, and these runs have a cold L2 (--flush-l2)"
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
    """Run the cases into the folder; None where there are none."""
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
