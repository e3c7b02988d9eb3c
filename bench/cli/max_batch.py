"""convbench max-batch: the largest batch size that fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import exit_code, options, output, run_cases, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import axes, suite_plan
from bench.plan.suite import Suite
from bench.studies.max_batch.batch_search import MEMORY_ONLY

if TYPE_CHECKING:
    from bench.studies.max_batch.batch_runs import BatchRequest
    from bench.studies.max_batch.batch_search import LargestBatch
    from reports.document import Document


# long: its parameters are the command's options.
@axis_options
def max_batch(
    *,
    models: options.Models,
    memory: Annotated[
        str | None,
        typer.Option(
            help="Memory limit: 4GiB, or 80% of the free memory. [default: what can be used safely]"
        ),
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
        bool, typer.Option("--resume", help="Reuse the batch sizes that --out has records of.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the cases and the disk use; measure nothing.")
    ] = False,
    out: options.Out = None,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Find the largest batch size that fits in memory, and verify it.

    Options take several values, e.g. --precision fp32,bf16; each combination has an answer.
    """
    from bench.studies.max_batch.batch_runs import BatchRequest
    from reports import formats

    output.check_format(format_)
    section_names.check("max-batch", section, full=full)
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
    if dry_run:
        from reports.pages import plan_report

        output.show(plan_report.batch_plan(request.cases, memory, format_))
        return 0
    with output.folder(out, resume=resume) as folder:
        document, answers = _searched(request, folder)
        run_cases.leave(document, folder)
        output.show(formats.content(format_, output.measured(document, section, full)))
        return _code(answers)


def _searched(request: BatchRequest, out: Path) -> tuple[Document, list[LargestBatch]]:
    """The report of the search, and its answers."""
    from bench.cli import progress
    from bench.studies.max_batch import batch_runs as runner
    from reports.pages import max_batch_report

    with progress.progress(request.most_runs) as on_progress:
        answers = runner.find_largest(request, out, on_progress)
    return max_batch_report.document(answers), answers


def _code(answers: Sequence[LargestBatch]) -> int:
    """1 where not even one image fits, or else 3 where the budget ended a search."""
    if any(not answer.verified and not answer.is_cut_short for answer in answers):
        return 1
    cut = sum(answer.is_cut_short for answer in answers)
    return exit_code.cut_short(f"before {cut} of {len(answers)} answers were verified") if cut else 0
