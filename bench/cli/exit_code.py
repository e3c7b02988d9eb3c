"""How a command that ran cases ends: what to say of the run, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bench.cli import half_widths, kept_run, output
from bench.forkserver.stopwatch import Stopwatch
from bench.plan.suite import MOST_PROCESSES
from bench.schema import durations
from bench.schema.record import FAILED
from bench.schema.spending import added, in_words

INCOMPLETE = 3
"""The exit code where the budget left processes unmeasured."""

if TYPE_CHECKING:
    from bench.runner.execute import RunResult
    from bench.runner.rounds import Target


def end(result: RunResult, planned: int, report: Callable[[], str | bytes]) -> int:
    """Show the report of what was measured, if anything was, and say what was repaired, what is left and what
    the time went to.

    `planned` counts the processes of the whole plan. Returns 1 where a case failed, 3 where the budget left
    some. The last line says where the report is.
    """
    say_repaired(result)
    watch = Stopwatch()
    if result.statuses:
        with watch.on("reporting"):
            output.show(report())
    say_spent(added((result.spent, watch.read())))
    say_left(result, planned)
    if result.statuses and kept_run.current.folder is not None:
        output.note(f"report: {kept_run.current.folder / 'report.md'}")
    return code(result)


def say_repaired(result: RunResult) -> None:
    if result.warning:
        output.complain(result.warning)


def say_left(result: RunResult, planned: int) -> None:
    if result.remaining:
        left = f"{result.remaining} of {planned} processes not measured"
        output.complain(f"time budget used up, {left}{kept_run.how_to_continue()}")
    elif result.target is not None and result.wide:
        output.note(_wide(result, result.target))


def cut_short(when: str) -> int:
    """Say that the budget ended `when`, and how to continue; the exit code."""
    return output.complain(f"time budget used up {when}{kept_run.how_to_continue()}", INCOMPLETE)


def say_spent(spent: Mapping[str, float]) -> None:
    """`312 s: measuring 71%, warming up 14%, starting 9%, building 6%`; nothing for a command that measured
    nothing."""
    if set(spent) - {"reporting", "rest"}:
        output.note(f"{durations.in_words(sum(spent.values()))}: {in_words(spent)}")


def _wide(result: RunResult, target: Target) -> str:
    """Which intervals are wider than they were to be, and whether more processes may follow."""
    widest = result.wide[0]
    half = "no interval yet" if widest.half is None else half_widths.in_words(widest.half, "±")
    wide, all_ = len(result.wide), len(target.cases)
    limit = f"±{100 * target.half:.3g}%"
    said = (
        f"{wide} of {all_} cases have intervals wider than {limit}, the widest {widest.case.id} ({half})"
        if wide > 1
        else f"the interval of {widest.case.id} ({half}) is wider than {limit}"
    )
    if all(each.is_last for each in result.wide):
        return f"{said}, after {MOST_PROCESSES} processes each"
    return f"{said}{kept_run.how_to_continue()}"


def code(result: RunResult) -> int:
    """1 where a case failed, or else 3 where the budget left some."""
    if any(result.statuses.get(status) for status in FAILED):
        return 1
    return INCOMPLETE if result.remaining else 0
