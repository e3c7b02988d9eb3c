"""convbench run."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import options, output, run_cases, run_gpus, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import node_names, suite_plan
from bench.plan.axes import AXES
from bench.runner import plan_file
from reports.pages import plan_report


# long: its parameters are the options.
@axis_options
def run(
    *,
    out: options.NewOut = None,
    suite: options.Suite = None,
    given: Annotated[Given, Axes(*AXES)],
    replicates: Annotated[
        str | None, typer.Option(help="Processes per case: 3 for an interval, 5 or more to compare.")
    ] = None,
    until: options.Until = None,
    target_ci: options.TargetCi = None,
    time_limit: options.TimeLimit = None,
    flush_l2: options.FlushL2 = None,
    budget: options.Budget = None,
    ceilings: Annotated[
        bool | None,
        typer.Option(help="Measure the machine's peak first. On by default for a whole suite."),
    ] = None,
    resume: options.Resume = False,
    step_digest: options.StepDigest = None,
    gpu: options.GpuOrAll = None,
    together: options.Together = False,
    shard: options.Shard = None,
    node_name: options.NodeName = None,
    lock_clocks: options.LockClocks = None,
    dry_run: options.DryRun = False,
    plain_intervals: options.PlainIntervals = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure latency and memory. Options take several values: --batch 1,8.

    Without options the suite quick is measured; --suite smoke is the one to run first. --device,
    --image, --channels, --classes, --threads and --seed change all cases of the suite; any other axis
    option replaces the suite's cases with all combinations of the values you give.

    Each case gets processes until its 95% interval is within --until, at most 10; --replicates fixes
    their number instead. --resume needs only --out.

    On several machines, --shard I/N gives each machine 1/N of the processes of every case, and convbench
    merge unites their folders.
    """
    output.check_format(format_)
    section_names.check("run", section, full=full)
    on_all = run_gpus.is_meant(gpu, out, resume=resume, together=together)
    chosen = options.run_options_of(None if on_all else gpu, lock_clocks)
    asked = suite_plan.Asked(
        suite=suite,
        given=given,
        replicates=replicates,
        until=until,
        target_ci=target_ci,
        time_limit=time_limit,
        flush_l2=flush_l2,
        ceilings=ceilings,
        step_digest=step_digest,
        gpu=chosen.gpu,
        lock_clocks_mhz=chosen.lock_clocks_mhz,
        shard=shard,
        node_name=None if node_name is None else node_names.checked(node_name),
    )
    shown = run_cases.Shown(format_=format_, plain_intervals=plain_intervals, section=section, full=full)
    out = output.kept_folder(out, resume=resume)
    seconds = suite_plan.seconds_of(budget)
    if on_all:
        return run_gpus.run(asked, out, seconds, shown, resume=resume, together=together, dry_run=dry_run)
    plan = plan_file.plan_for(asked, out, resume=resume)
    if dry_run:
        pending = plan_file.pending(plan, out) if resume else None
        output.show(plan_report.dry_run_of(plan, seconds, format_, pending))
        return 0
    return run_cases.run_kept(plan, out, resume, seconds, shown)
