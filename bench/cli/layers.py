"""convbench layers: where inside a network the time goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from bench.cli import options, output, run_cases
from bench.cli.axis_options import Axes, Given, axis_options
from bench.host import cpu_cores
from bench.plan import axes, expand, suite_plan
from bench.plan.suite import Suite
from bench.schema.case import MeasurementProtocol
from models.errors import UserError

PROTOCOL = MeasurementProtocol(
    warmup_seconds=0.5, warmup_limit_seconds=5, sampling_seconds=4, energy_seconds=0
)
"""Layers are measured beside the case, whose own figures are only to compare them with."""


# long: its parameters are the command's options.
@axis_options
def layers(
    *,
    models: options.Models,
    given: Annotated[
        Given,
        Axes("workload", "device", "precision", "engine", "layout", "batch", "image", "input", "threads"),
    ],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    replicates: Annotated[str, typer.Option(help="Processes for each case.")] = "1",
    time_limit: options.TimeLimit = None,
    budget: options.Budget = None,
    ceilings: Annotated[bool, typer.Option(help="First measure what the machine can do.")] = True,
    trace: Annotated[
        Path | None, typer.Option(help="Write a Chrome trace of a few steps here; of a single case.")
    ] = None,
    out: options.Out = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run what is missing, crashed or timed out.")
    ] = False,
    plain_intervals: options.PlainIntervals = False,
    format_: options.Format = "terminal",
) -> int:
    """Time every layer, forward and backward, beside its FLOPs, its bytes and what the machine can do.

    By marks around the modules, or by the profiler where they are compiled;
    the layers add up to the step, with the gap stated. Training unless --workload says otherwise.
    """
    output.check_format(format_)
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
        )


def _refuse_trace(path: Path, cases: int) -> None:
    """UserError, before any work, where a trace could not be written, or cases would replace each other's."""
    if cases > 1:
        raise UserError(f"--trace takes a single case, and this plan has {cases}")
    if path.is_dir():
        raise UserError(f"{path} is a folder, and a trace is a file")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UserError(f"cannot write {path}: permission denied")
