"""convbench run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import completion, options, output, run_cases
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import suite_plan
from bench.plan.axes import AXES
from bench.runner import plan_file
from reports.pages import plan_report


# long: its parameters are the options.
@axis_options
def run(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the records and the report.")],
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite",
            help="smoke, quick, standard, full or FILE.toml; quick without the option.",
            autocompletion=completion.SUITE,
        ),
    ] = None,
    given: Annotated[Given, Axes(*AXES)],
    replicates: Annotated[
        str | None, typer.Option(help="Processes for each case, whatever their intervals.")
    ] = None,
    until: options.Until = None,
    target_ci: options.TargetCi = None,
    time_limit: options.TimeLimit = None,
    flush_l2: options.FlushL2 = None,
    budget: options.Budget = None,
    ceilings: Annotated[
        bool | None,
        typer.Option(help="First measure what the machine can do; a whole suite does unless told not to."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the plan that --out keeps.")] = False,
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    plain_intervals: options.PlainIntervals = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure a suite: smoke is what to run first, quick what is run without the option.

    A case gets more processes until its interval is as narrow as --until says, 10 at most.
    --replicates fixes their number instead. --resume needs nothing but --out.

    Every axis takes several values, repeated or separated by commas. The
    options device, image, channels, classes, threads and seed change the whole
    suite; naming any other axis makes the plan the product of the given values
    and the suite's main axes.
    """
    output.check_format(format_)
    chosen = options.run_options_of(gpu, lock_clocks)
    asked = suite_plan.Asked(
        suite=suite,
        given=given,
        replicates=replicates,
        until=until,
        target_ci=target_ci,
        time_limit=time_limit,
        flush_l2=flush_l2,
        ceilings=ceilings,
        gpu=chosen.gpu,
        lock_clocks_mhz=chosen.lock_clocks_mhz,
    )
    plan = plan_file.plan_for(asked, out, resume=resume)
    seconds = suite_plan.seconds_of(budget)
    if dry_run:
        output.show(plan_report.dry_run_of(plan, seconds, format_))
        return 0
    return run_cases.run_kept(plan, out, resume, seconds, format_, plain_intervals=plain_intervals)
