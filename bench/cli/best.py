"""convbench best: the fastest configuration of a network on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion, options, output, run_cases
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import axes

if TYPE_CHECKING:
    from bench.studies.best.search_request import SearchRequest
    from reports.document import Document


# long: its parameters are the command's options.
@axis_options
def best(
    *,
    model: Annotated[str, typer.Argument(help=axes.AXES["model"].summary, autocompletion=completion.MODEL)],
    given: Annotated[Given, Axes("workload", "device", "batch")],
    max_batch: Annotated[
        bool, typer.Option("--max-batch", help="Also try the largest batch size that fits in memory.")
    ] = False,
    also_given: Annotated[
        Given,
        Axes(
            "image",
            "input",
            "channels",
            "classes",
            "precision",
            "layout",
            "engine",
            "tuning",
            "threads",
            "seed",
        ),
    ],
    from_: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Runs of `convbench train` that compare the accuracy of precisions."),
    ] = None,
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    budget: Annotated[
        str, typer.Option(help="Time for search, pairs and peak: 600, 10m or 2h.", show_default=True)
    ] = "600",
    ceilings: Annotated[bool, typer.Option(help="Measure the machine's peak, for the % of peak.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the search in --out.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be tried; measure nothing.")
    ] = False,
    out: options.Out = None,
    section: options.Section = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Find the fastest configuration of a network and confirm it against fp32 eager.

    Tries precisions, layouts, engines, tunings and threads; an axis that you name is limited to the
    values you give. Shows the command of the fastest, its % of peak and how its outputs differ from fp32.
    """
    from bench.studies.best.search_request import SearchRequest
    from reports import formats

    output.check_format(format_)
    asked = options.run_options_of(gpu, lock_clocks)
    request = SearchRequest(
        given={"model": axes.read("model", [model]), **given, **also_given},
        budget_seconds=axes.seconds("--budget", budget, 1e8),
        max_batch=max_batch,
        resume=resume,
        ceilings=ceilings,
        gpu=asked.gpu,
        lock_clocks_mhz=asked.lock_clocks_mhz,
    )
    if dry_run:
        return _plan(request, format_)
    with output.folder(out, resume=resume) as folder:
        document, code = _searched(request, folder, from_ or [])
        run_cases.leave(document, folder)
        output.show(formats.render(format_, output.chosen(document, section, full)))
        return code


def _plan(request: SearchRequest, format_: str) -> int:
    from bench.host import cpu_cores
    from bench.studies.best import candidates
    from reports.pages import plan_report

    base = candidates.first_case(request.given, cpu_cores.usable_cores())
    space, excluded = candidates.space_of(base, request.given)
    output.show(plan_report.search_plan(space, excluded, request.budget_seconds, format_))
    return 0


def _searched(request: SearchRequest, out: Path, trained: list[Path]) -> tuple[Document, int]:
    """The report of the search and the exit code: 1 where nothing could be measured."""
    from bench.cli import progress
    from bench.studies.best import search_run as runner
    from reports.pages import best_report as reporting
    from reports.summary.pooling import summarise

    if trained:
        summarise(trained)  # what cannot be read is refused before minutes are spent
    with progress.progress(int(request.budget_seconds), in_seconds=True) as on_progress:
        found = runner.run_search(request, out, on_progress)
    return reporting.build(found, out, trained), 0 if found.winner else 1
