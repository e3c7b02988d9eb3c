"""convbench run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options, output
from bench.cli.axis_options import Axes, Given, axis_options
from bench.cli.run_cases import run_and_report
from bench.plan import suite_plan
from bench.plan.axes import AXES
from reports.pages import plan_report


# long: its parameters are the options.
@axis_options
def run(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the records and the report.")],
    suite: options.SuiteName = "quick",
    given: Annotated[Given, Axes(*AXES)],
    replicates: Annotated[str | None, typer.Option(help="Processes for each case.")] = None,
    target_ci: options.TargetCi = None,
    time_limit: options.TimeLimit = None,
    flush_l2: options.FlushL2 = None,
    budget: options.Budget = None,
    ceilings: Annotated[
        bool | None,
        typer.Option(help="First measure what the machine can do; a whole suite does unless told not to."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run what is missing, crashed or timed out.")
    ] = False,
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure a suite: smoke is what to run first, quick what is run without the option.

    Every axis takes several values, repeated or separated by commas. The
    options device, image, channels, classes, threads and seed change the whole
    suite; naming any other axis makes the plan the product of the given values
    and the suite's main axes.
    """
    output.check_format(format_)
    run_options = options.run_options_of(gpu, lock_clocks)
    plan = suite_plan.of_suite(
        suite,
        given,
        replicates=replicates,
        target_ci=target_ci,
        time_limit=time_limit,
        flush_l2=flush_l2,
        ceilings=ceilings,
    )
    seconds = suite_plan.seconds_of(budget)
    if dry_run:
        output.show(plan_report.dry_run(plan.cases, plan.protocol, format_))
        return 0
    return run_and_report(plan.cases, plan.protocol, out, resume, seconds, format_, plan.auto, run_options)
