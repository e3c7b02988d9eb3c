"""convbench best: the fastest configuration of a network on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion, exit_code, options, output, run_cases, section_names
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import axes

if TYPE_CHECKING:
    from bench.studies.best.search_request import SearchRequest
    from bench.studies.best.search_result import Findings
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
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Use this run of `convbench train`, which compares the accuracy of precisions; repeatable.",
        ),
    ] = None,
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    budget: Annotated[
        str, typer.Option(help="Time for search, pairs and peak: 600, 10m or 2h.", show_default=True)
    ] = "600",
    ceilings: Annotated[bool, typer.Option(help="Measure the machine's peak, for the % of peak.")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the search in --out.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be tried and the disk use; measure nothing.")
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
    section_names.check("best", section, full=full)
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
        document, found = _searched(request, folder, from_ or [])
        run_cases.leave(document, folder)
        output.show(formats.content(format_, output.measured(document, section, full)))
        return _code(found)


def _plan(request: SearchRequest, format_: str) -> int:
    from bench.host import cpu_cores
    from bench.studies.best import candidates
    from reports.pages import plan_report

    base = candidates.first_case(request.given, cpu_cores.usable_cores())
    space, excluded = candidates.space_of(base, request.given)
    output.show(plan_report.search_plan(space, excluded, request.budget_seconds, format_))
    return 0


def _searched(request: SearchRequest, out: Path, trained: list[Path]) -> tuple[Document, Findings]:
    """The report of the search, and what it found."""
    from bench.cli import progress
    from bench.studies.best import search_run as runner
    from reports.pages import best_report as reporting
    from reports.summary.pooling import summarise

    if trained:
        summarise(trained)  # what cannot be read is refused before minutes are spent
    with progress.progress(int(request.budget_seconds), in_seconds=True) as on_progress:
        found = runner.run_search(request, out, on_progress)
    return reporting.build(found, out, trained), found


def _code(found: Findings) -> int:
    """1 where nothing could be measured, or else 3 where the budget ended the search."""
    if found.tried and found.winner is None:
        return 1
    return exit_code.cut_short("before the search was complete") if found.is_cut_short else 0
