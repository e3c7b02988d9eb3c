"""convbench layers: where a network spends its time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from bench.cli import options, output, run_cases, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.host import cpu_cores
from bench.plan import axes, expand, suite_plan
from bench.plan.suite import Suite
from bench.schema.case import MeasurementProtocol
from models.errors import UserError
from reports.pages import plan_report

PROTOCOL = MeasurementProtocol(
    warmup_seconds=0.5, warmup_limit_seconds=5, sampling_seconds=4, energy_seconds=0
)
"""The layers are what is asked for; the case's own time is only to compare them with."""


# long: its parameters are the command's options.
@axis_options
def layers(
    *,
    models: options.Models,
    given: Annotated[
        Given,
        Axes(
            *("workload", "device", "precision", "engine", "layout", "tuning", "batch", "image", "input"),
            *("channels", "classes", "threads", "seed"),
        ),
    ],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    replicates: Annotated[str, typer.Option(help="Processes per case; 3 or more for an interval.")] = "1",
    time_limit: options.TimeLimit = None,
    budget: options.Budget = None,
    ceilings: Annotated[
        bool, typer.Option(help="Measure the machine's peak first, for the % of peak.")
    ] = True,
    trace: Annotated[
        Path | None, typer.Option(help="Write a Chrome trace of a few steps to this file (one case only).")
    ] = None,
    out: options.Out = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue this run: measure only missing or failed cases.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the cases, estimated time and disk use; measure nothing.")
    ] = False,
    plain_intervals: options.PlainIntervals = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Show where a network spends its time: every layer, forward and backward, vs the machine's peak.

    Eager modules are timed one by one, compiled ones by the profiler. Measures training steps unless
    --workload inference is given.
    """
    output.check_format(format_)
    section_names.check("layers", section, full=full)
    run_options = options.run_options_of(gpu, lock_clocks)
    given = {"model": axes.read("model", models), **given}
    every = Suite(name="layers", summary="every layer", blocks=({"workload": ("training",)},), replicates=1)
    suite_plan.cases_of(every, given)
    count = axes.whole_number("--replicates", replicates, 1, 1000)
    planned = expand.processes(every, given, cpu_cores.usable_cores(), count)
    if trace is not None:
        _refuse_trace(trace, len(planned))
    if ceilings:
        planned = expand.with_ceilings(planned)
    protocol = suite_plan.protocol_of(PROTOCOL, None, time_limit)
    seconds = suite_plan.seconds_of(budget)
    auto = expand.left_to_auto(every, given)
    run_options = structs.replace(run_options, layers=True, trace=trace)
    if dry_run:
        output.show(plan_report.dry_run(planned, protocol, format_, layers=True))
        return 0
    with output.folder(out, resume=resume) as folder:
        return run_cases.run_and_report(
            planned,
            protocol,
            folder,
            resume,
            seconds,
            format_,
            auto,
            run_options,
            plain_intervals=plain_intervals,
            section=section,
            full=full,
        )


def _refuse_trace(path: Path, cases: int) -> None:
    """UserError, before any work, where a trace cannot be written, or cases would overwrite each other's."""
    if cases > 1:
        raise UserError(
            f"--trace takes a single case, got {cases}. Name one network, workload and batch size"
        )
    if path.is_dir():
        raise UserError(f"--trace must be a file, got the folder {path}")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"cannot write {path}: permission denied")
