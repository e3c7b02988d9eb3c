"""What would run: the plan of `--dry-run`."""

from __future__ import annotations

from collections.abc import Sequence

from bench.plan import estimate, feasibility
from bench.schema.case import Case, MeasurementProtocol
from reports import formats
from reports.document import Cell, Document, Scalar, Table
from reports.summary.figures import case_row


def dry_run(planned: Sequence[Case], protocol: MeasurementProtocol, output: str) -> str:
    """The plan in its order, with what cannot run and why, and an estimate of the time."""
    reasons = [feasibility.why_not_here(case) for case in planned]
    runnable = [case for case, reason in zip(planned, reasons, strict=True) if reason is None]
    minutes = estimate.estimate_seconds(runnable, protocol) / 60
    time = "about a minute or less" if minutes < 1.5 else f"about {minutes:.0f} minutes"
    text = f"{len(planned)} processes, {len(runnable)} of which can run here; {time}"
    rows = tuple(
        (case.id, case.replicate, "skipped: " + reason if reason else "runs")
        for case, reason in zip(planned, reasons, strict=True)
    )
    table = Table(title="Plan", columns=("case", "replicate", "here"), rows=rows)
    listed = tuple(
        case_row(case, {"replicate": case.replicate, "skipped": reason})
        for case, reason in zip(planned, reasons, strict=True)
    )
    return formats.render(output, Document(title="Dry run", text=(text,), tables=(table,), rows=listed))


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
