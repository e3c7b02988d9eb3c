"""How a command that ran cases ends: what to say of the run, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bench.cli import half_widths, output
from bench.forkserver.stopwatch import Stopwatch
from bench.plan.suite import MOST_PROCESSES
from bench.schema.record import FAILED
from bench.schema.spending import added, in_words

if TYPE_CHECKING:
    from bench.runner.execute import RunResult
    from bench.runner.rounds import Target


def end(result: RunResult, planned: int, report: Callable[[], str]) -> int:
    """Show the report of what was measured, if anything was, and say what was repaired, what is left and what
    the time went to.

    `planned` counts the cases of the whole plan. Returns 1 where a case failed.
    """
    say_repaired(result)
    watch = Stopwatch()
    if result.statuses:
        with watch.on("reporting"):
            output.show(report())
    say_left(result, planned)
    say_spent(added((result.spent, watch.read())))
    return code(result)


def say_repaired(result: RunResult) -> None:
    if result.warning:
        output.complain(result.warning)


def say_left(result: RunResult, planned: int) -> None:
    if result.remaining:
        left = f"{result.remaining} of {planned} cases are left: the same command with --resume runs them"
        output.complain(f"the budget is spent; {left}")
    elif result.target is not None and result.wide:
        output.complain(_wide(result, result.target))


def say_spent(spent: Mapping[str, float]) -> None:
    """`312 s: measuring 71%, warming up 14%, starting 9%, building 6%`; nothing for a command that measured
    nothing."""
    if set(spent) - {"reporting", "rest"}:
        output.complain(f"{sum(spent.values()):,.0f} s: {in_words(spent)}")


def _wide(result: RunResult, target: Target) -> str:
    """Which intervals are wider than they were to be, and whether more processes may follow."""
    widest = result.wide[0]
    how_wide = "no interval yet" if widest.half is None else half_widths.in_words(widest.half, "+-")
    cases = f"{len(result.wide)} of {len(target.cases)} cases are wider than +-{100 * target.half:.3g}%"
    said = f"{cases}, the widest {widest.case.id} ({how_wide})"
    if all(each.is_last for each in result.wide):
        return f"{said}, after {MOST_PROCESSES} processes of each"
    return f"the time is spent; {said}: --resume goes on with them"


def code(result: RunResult) -> int:
    """1 where a case failed."""
    return 1 if any(result.statuses.get(status) for status in FAILED) else 0
