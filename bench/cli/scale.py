"""convbench scale."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import completion, options, output, run_cases, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import axes, scale_plan, suite_plan
from bench.runner import plan_file
from reports.pages import plan_report


# long: its parameters are the command's options.
@axis_options
def scale(
    *,
    model: Annotated[str, typer.Argument(help=axes.AXES["model"].summary, autocompletion=completion.MODEL)],
    ranks: Annotated[
        str | None,
        typer.Option(
            "--ranks",
            metavar="N,N...",
            help="Numbers of ranks: processes with a device each. "
            "[default: 1, 2, 4 ... up to the GPUs or cores]",
        ),
    ] = None,
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="NAME", help="ddp, fsdp, towers-2012 or hybrid-2014.")
    ] = "ddp",
    weak: Annotated[
        bool, typer.Option("--weak", help="Weak scaling: --batch is per rank. [default: of the whole job]")
    ] = False,
    nodes: Annotated[
        str,
        typer.Option(
            "--nodes",
            metavar="N",
            help="Nodes of this Slurm allocation. Further nodes are used once the first has no device left.",
        ),
    ] = "1",
    given: Annotated[
        Given, Axes("batch", "device", "precision", "layout", "image", "classes", "threads", "seed")
    ],
    replicates: Annotated[str, typer.Option(help="Jobs of each number of ranks; 3 for an interval.")] = "3",
    out: options.NewOut = None,
    target_ci: options.TargetCi = None,
    time_limit: options.TimeLimit = None,
    budget: options.Budget = None,
    resume: options.Resume = False,
    dry_run: options.DryRun = False,
    plain_intervals: options.PlainIntervals = False,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Measure a network's training on several devices: how much faster than one, and what is lost where.

    Each job is spread over its ranks by torch's launcher, with nccl on GPUs and gloo on a CPU, whose cores
    the ranks share out. --threads are those of each rank.
    """
    output.check_format(format_)
    section_names.check("scale", section, full=full)
    wanted = scale_plan.Wanted(
        model=model,
        ranks=ranks,
        strategy=strategy,
        is_weak=weak,
        nodes=nodes,
        given=given,
        replicates=replicates,
        target_ci=target_ci,
        time_limit=time_limit,
    )
    plan = scale_plan.plan_of(wanted)
    seconds = suite_plan.seconds_of(budget)
    out = output.kept_folder(out, resume=resume)
    if dry_run:
        pending = plan_file.pending(plan, out) if resume else None
        output.show(plan_report.dry_run_of(plan, seconds, format_, pending))
        return 0
    shown = run_cases.Shown(format_=format_, plain_intervals=plain_intervals, section=section, full=full)
    return run_cases.run_kept(plan, out, resume, seconds, shown)
