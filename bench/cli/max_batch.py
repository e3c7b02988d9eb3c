"""convbench max-batch: the largest batch that fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import options, output, run_cases
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import axes, suite_plan
from bench.plan.suite import Suite
from bench.studies.max_batch.batch_search import MEMORY_ONLY

if TYPE_CHECKING:
    from bench.studies.max_batch.batch_runs import BatchRequest


# long: its parameters are the command's options.
@axis_options
def max_batch(
    *,
    models: options.Models,
    memory: Annotated[
        str | None,
        typer.Option(help="4GiB, or 80% of what is free; without it what can be had safely."),
    ] = None,
    given: Annotated[
        Given,
        Axes(
            "workload",
            "device",
            "precision",
            "engine",
            "layout",
            "image",
            "input",
            "channels",
            "classes",
            "threads",
            "tuning",
        ),
    ],
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    time_limit: options.TimeLimit = None,
    budget: options.Budget = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Run no batch again of which --out has a record.")
    ] = False,
    out: options.Out = None,
    format_: options.Format = "terminal",
) -> int:
    """The largest batch whose step fits into the memory: predicted from small ones, then verified.

    Every axis takes several values, repeated or separated by commas; each combination has an answer.
    """
    from bench.studies.max_batch.batch_runs import BatchRequest

    output.check_format(format_)
    block = {"model": axes.read("model", models)}
    suite = Suite(name="max-batch", summary="", blocks=(block,), replicates=1, protocol=MEMORY_ONLY)
    request = BatchRequest(
        cases=suite_plan.cases_of(suite, given),
        memory=memory,
        protocol=suite_plan.protocol_of(suite.protocol, None, time_limit),
        budget_seconds=suite_plan.seconds_of(budget),
        resume=resume,
        options=options.run_options_of(gpu, lock_clocks),
    )
    with output.folder(out, resume=resume) as folder:
        return _max_batch(request, folder, format_)


def _max_batch(request: BatchRequest, out: Path, format_: str) -> int:
    """1 where not even one image fits."""
    from bench.cli import progress
    from bench.studies.max_batch import batch_runs as runner
    from reports.pages import max_batch_report

    with progress.progress(request.most_runs) as on_progress:
        answers = runner.find_largest(request, out, on_progress)
    output.show(run_cases.publish(max_batch_report.document(answers), out, format_))
    return 0 if all(answer.verified for answer in answers) else 1
