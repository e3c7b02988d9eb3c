"""What would run: the plan of `--dry-run`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.plan import estimate, feasibility, plan_processes
from bench.plan.suite import MOST_PROCESSES
from bench.schema.case import ARITHMETIC, Case, MeasurementProtocol
from bench.schema.kept_plan import KeptPlan
from bench.studies.ab.pair_rows import CasePair
from reports import formats
from reports.cells import Cell, Scalar
from reports.document import Document, Table
from reports.summary.figures import case_row

RUNS = "runs"


def dry_run(planned: Sequence[Case], protocol: MeasurementProtocol, output: str) -> str:
    """The plan in its order, with what cannot run and why, and an estimate of the time."""
    here = _here(planned)
    runnable = _runnable(here)
    time = _about(estimate.estimate_seconds(runnable, protocol))
    return _rendered(here, f"{len(planned)} processes, {len(runnable)} of which can run here; {time}", output)


def dry_run_of(plan: KeptPlan, budget_seconds: float | None, output: str) -> str:
    """The same of a plan that may ask for more processes of a case than it begins with."""
    planned = plan_processes.of_plan(plan)
    if plan.until is None:
        return dry_run(planned, plan.protocol, output)
    here = _here(planned)
    runnable = _runnable(here)
    text = (
        f"{len(planned)} processes first, {len(runnable)} of which can run here, then more of the cases "
        f"whose interval is wider than +-{100 * plan.until:.3g}%, {MOST_PROCESSES} of a case at most; "
        f"{_about(estimate.plan_seconds(plan, runnable, budget_seconds))}"
    )
    return _rendered(here, text, output)


_Here = list[tuple[Case, str | None, str]]
"""Each process, the reason why it is skipped, and what is told of it."""


def _here(planned: Sequence[Case]) -> _Here:
    """Which processes run. Torch decides what a processor can do; here only the kernel is asked."""
    found: _Here = []
    for case in planned:
        reason, told = feasibility.why_not_here(case), RUNS
        if reason is not None:
            told = f"skipped: {reason}"
        elif estimate.lacks_instructions(case):
            arithmetic = ARITHMETIC[case.precision]
            told = f"probably skipped: the kernel lists no instructions for {arithmetic} here"
        found.append((case, reason, told))
    return found


def _runnable(here: _Here) -> list[Case]:
    return [case for case, _, told in here if told == RUNS]


def _rendered(here: _Here, text: str, output: str) -> str:
    rows = tuple((case.id, case.replicate, told) for case, _, told in here)
    table = Table(title="Plan", columns=("case", "replicate", "here"), rows=rows)
    listed = tuple(
        case_row(case, {"replicate": case.replicate, "skipped": reason}) for case, reason, _ in here
    )
    return formats.render(output, Document(title="Dry run", text=(text,), tables=(table,), rows=listed))


def _about(seconds: float) -> str:
    minutes = seconds / 60
    for unit, most, divisor in (("minutes", 180, 1), ("hours", 72 * 60, 60), ("days", math.inf, 24 * 60)):
        if minutes < most:
            return "about a minute or less" if minutes < 1.5 else f"about {minutes / divisor:.0f} {unit}"
    raise AssertionError


def pairs_plan(
    case_pairs: Sequence[CasePair], protocol: MeasurementProtocol, looks: Sequence[int], output: str
) -> str:
    """The pairs of cases of `ab`, and what a pair of processes of each costs; servers stand apart, since each
    process has one of its own. `looks` are the numbers of pairs after which a verdict may fall."""
    columns = ("a", "b", "a pair (s)", "of it servers (s)")
    rows, listed, total = [], [], 0.0
    for pair in case_pairs:
        sides = [case for case in (pair.a, pair.b) if feasibility.why_not_here(case) is None]
        servers = sum(estimate.server_seconds([case]) for case in sides)
        seconds = servers + sum(estimate.case_seconds(case, protocol) for case in sides)
        rows.append((pair.a.id, pair.b.id, seconds, servers))
        listed.append(case_row(pair.a, {"b": pair.b.id, "pair_seconds": seconds, "server_seconds": servers}))
        total += seconds
    text = (
        f"{looks[0]} to {looks[-1]} pairs of processes of each case, until its verdict is clear: "
        f"{_about(looks[0] * total)} to {_about(looks[-1] * total)}. Each process has a fork server of its "
        "own, which is part of that."
    )
    table = Table(title="Plan", columns=columns, rows=tuple(rows))
    document = Document(title="Dry run", text=(text,), tables=(table,), rows=tuple(listed))
    return formats.render(output, document)


def training_plan(planned: Sequence[Case], output: str) -> str:
    """The training runs in their order, with their seeds, and what cannot run and why."""
    rows: list[tuple[Cell, ...]] = []
    listed: list[dict[str, Scalar]] = []
    for case in planned:
        assert case.task is not None
        reason = feasibility.why_not_here(case)
        here = f"skipped: {reason}" if reason else "runs"
        rows.append((case.id, case.learning_seed, case.task.recipe.epochs, here))
        listed.append(case_row(case, {"learning_seed": case.learning_seed, "skipped": reason}))
    table = Table(title="Plan", columns=("case", "seed", "epochs", "here"), rows=tuple(rows))
    text = (f"{len(planned)} training runs",)
    return formats.render(output, Document(title="Dry run", text=text, tables=(table,), rows=tuple(listed)))
