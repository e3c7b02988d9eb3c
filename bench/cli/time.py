"""convbench time: one network, answered as soon as its interval is narrow enough."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from bench.cli import completion, exit_code, kept_run, options, output
from bench.cli.axis_options import Axes, Given, axis_options
from bench.plan import axes, single_case
from bench.schema.plurals import how_many
from bench.schema.record import FAILED
from models.errors import UserError

if TYPE_CHECKING:
    from bench.runner.events import OnProgress, Progress
    from bench.schema.case import Case
    from bench.schema.kept_plan import KeptPlan
    from reports.pages.time_report import Ended
    from reports.summary.figures import Summary


# long: its parameters are the command's options.
@axis_options
def time_(
    *,
    model: Annotated[str, typer.Argument(help=axes.AXES["model"].summary, autocompletion=completion.MODEL)],
    given: Annotated[Given, Axes(*(axis for axis in axes.AXES if axis != "model"))],
    until: Annotated[
        str, typer.Option(help="Run processes until the interval is within this on either side.")
    ] = "5%",
    budget: Annotated[str, typer.Option(help="Seconds in which to answer.")] = "30",
    flush_l2: options.FlushL2 = None,
    gpu: options.Gpu = None,
    lock_clocks: options.LockClocks = None,
    out: options.Out = None,
    full: options.Full = False,
    format_: options.Format = "terminal",
) -> int:
    """Time one network in about 30 seconds.

    Measures inference with batch size 1 unless options say otherwise; each option takes one value.
    Ctrl-C ends it with the figure so far.
    """
    output.check_format(format_)
    chosen = options.run_options_of(gpu, lock_clocks)
    plan = single_case.plan_of(
        model,
        given,
        until=until,
        flush_l2=flush_l2,
        gpu=chosen.gpu,
        lock_clocks_mhz=chosen.lock_clocks_mhz,
    )
    seconds = axes.seconds("--budget", budget, 1e8)
    with output.folder(out, resume=False) as folder:
        return _time(plan, folder, seconds, format_, is_kept=out is not None, full=full)


class _Ending(NamedTuple):
    """Why no further process was run, and how many of the first processes the budget left unmeasured."""

    why: Ended
    remaining: int = 0


def _time(plan: KeptPlan, out: Path, budget: float, format_: str, *, is_kept: bool, full: bool) -> int:
    began = monotonic()
    from bench.cli.live_figure import live_figure
    from bench.cli.run_cases import publish
    from reports import formats
    from reports.pages import time_report
    from reports.summary.pooling import summarise

    assert plan.until is not None
    with live_figure(plan.until) as show:
        ending = _measure(plan, out, began, budget, show)
    try:
        summary = summarise([out])
    except UserError:
        if ending.why != "interrupted":
            raise
        raise KeyboardInterrupt from None  # before anything was measured
    timed = time_report.TimedCase(
        summary=summary,
        until=plan.until,
        seconds=monotonic() - began,
        ended=ending.why,
        nominal=_nominal_flops(plan.cases[0]),
        kept_in=out if is_kept else None,
    )
    document = time_report.build(timed)
    if document is not None:
        document = output.chosen(document, None, full)
        output.show(publish(document, out, format_) if is_kept else formats.content(format_, document))
    if ending.why == "interrupted":
        raise KeyboardInterrupt
    return _code(summary, ending.remaining, is_shown=document is not None)


def _measure(plan: KeptPlan, out: Path, began: float, budget: float, show: OnProgress) -> _Ending:
    from bench.runner import execute

    def on_progress(event: Progress) -> None:
        kept_run.current.told(event.done, event.total)
        show(event)

    try:
        result = execute.run_kept(
            plan, out, resume=False, budget_seconds=budget, on_progress=on_progress, began=began, is_firm=True
        )
    except KeyboardInterrupt:
        return _Ending("interrupted")
    if result.remaining or not all(each.is_last for each in result.wide):
        return _Ending("budget spent", result.remaining)
    return _Ending("most processes" if result.wide else "narrow enough")


def _code(summary: Summary, remaining: int, *, is_shown: bool) -> int:
    failed = [outcome for outcome in summary.outcomes if outcome.status in FAILED]
    if not is_shown and summary.outcomes:
        first = summary.outcomes[0]
        output.complain(f"{first.case.id} ended as {first.status}: {first.reason}")
    if failed or not is_shown:
        return 1
    if not remaining:
        return 0
    left = how_many(remaining, "process", "processes")
    return output.complain(
        f"time budget used up, {left} not measured{kept_run.how_to_continue()}", exit_code.INCOMPLETE
    )


def _nominal_flops(case: Case) -> float | None:
    """FLOP/s that the threads of a case could reach by the kernel's words; None where that is not known."""
    from bench import devices
    from bench.host.cpu_cores import core_flops, usable_cores

    if not devices.traits(case.device).is_host or case.precision != "fp32":
        return None
    return core_flops() * min(case.threads, usable_cores())
