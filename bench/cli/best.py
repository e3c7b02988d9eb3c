"""convbench best: the fastest configuration of a network on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import completion, options, output, run_cases
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import axes

if TYPE_CHECKING:
    from bench.studies.best.search_run import SearchRequest


# long: its parameters are the command's options.
@axis_options
def best(
    *,
    model: Annotated[str, typer.Argument(help=axes.AXES["model"].summary, autocompletion=completion.MODEL)],
    given: Annotated[Given, Axes("workload", "device", "batch")],
    max_batch: Annotated[
        bool, typer.Option("--max-batch", help="Try the largest batch that fits into the memory too.")
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
        typer.Option("--from", help="Training runs that say whether a precision learns as well as fp32."),
    ] = None,
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    budget: Annotated[str, typer.Option(help="Seconds for search, pairs and ceilings.")] = "600",
    ceilings: Annotated[
        bool, typer.Option(help="Measure how fast the machine multiplies, for the share reached.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in --out.")] = False,
    out: options.Out = None,
    format_: options.Format = "terminal",
) -> int:
    """Search for the fastest precision, layout, engine, tuning and threads; confirm the winner in pairs.

    A named axis is searched among its values only. The answer is a command to
    repeat, with its share of the ceiling and how far its outputs are from fp32.
    """
    from bench.studies.best.search_run import SearchRequest

    output.check_format(format_)
    asked = options.run_options_of(gpu, lock_clocks)
    request = SearchRequest(
        given={"model": axes.read("model", [model]), **given, **also_given},
        budget_seconds=axes.positive_number("--budget", budget, 1e8),
        max_batch=max_batch,
        resume=resume,
        ceilings=ceilings,
        gpu=asked.gpu,
        lock_clocks_mhz=asked.lock_clocks_mhz,
    )
    with output.folder(out, resume=resume) as folder:
        return _best(request, folder, from_ or [], format_)


def _best(request: SearchRequest, out: Path, trained: list[Path], format_: str) -> int:
    from bench.cli import progress
    from bench.studies.best import search_run as runner
    from reports.pages import best_report as reporting
    from reports.summary.pooling import summarise

    if trained:
        summarise(trained)  # what cannot be read is said before minutes are spent
    with progress.progress(int(request.budget_seconds)) as on_progress:
        found = runner.run_search(request, out, on_progress)
    output.show(run_cases.publish(reporting.build(found, out, trained), out, format_))
    return 0 if found.winner else 1
