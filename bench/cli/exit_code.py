"""How a command that ran cases ends: what to say of the run, and the exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.cli import output
from bench.schema.record import FAILED

if TYPE_CHECKING:
    from bench.runner.execute import Result


def end(result: Result, planned: int, report: Callable[[], str]) -> int:
    """Show the report of what was measured, if anything was, and say what was repaired and what is left.

    `planned` counts the cases of the whole plan. Returns 1 where a case failed.
    """
    say_repaired(result)
    if result.statuses:
        output.show(report())
    say_left(result, planned)
    return code(result)


def say_repaired(result: Result) -> None:
    if result.warning:
        output.complain(result.warning)


def say_left(result: Result, planned: int) -> None:
    if result.left:
        left = f"{result.left} of {planned} cases are left: the same command with --resume runs them"
        output.complain(f"the budget is spent; {left}")


def code(result: Result) -> int:
    """1 where a case failed."""
    return 1 if any(result.statuses.get(status) for status in FAILED) else 0
