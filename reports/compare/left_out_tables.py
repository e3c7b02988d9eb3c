"""What a comparison has no verdict on: rows of one side, and cases that failed or were skipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.schema.case import Case
from reports.compare.comparison_rows import ComparisonRow
from reports.compare.nearest_mismatch import Mismatch
from reports.document import Part, Table
from reports.summary.figures import Summary
from reports.tables.wording import named, one_line

NOT_COMPARED = Part("not-compared", "Not compared", in_appendix=True)
FAILURES = Part("failures", "Failed and skipped cases", in_appendix=True)
_LIST_WIDTH = 100


def uncompared_table(rows: Sequence[ComparisonRow], mismatch: Mismatch | None) -> Iterator[Table]:
    """By reason and case, as one reason often holds for all metrics of a case."""
    reasons: dict[str, dict[Case, list[str]]] = {}
    for row in rows:
        if row.verdict is None and row.reason:
            metrics = reasons.setdefault(row.reason, {}).setdefault(row.case, [])
            metrics.append(f"{row.phase} {row.metric}")
    lines = [
        (reason, case.id, len(metrics), one_line(", ".join(metrics), _LIST_WIDTH))
        for reason, cases in reasons.items()
        for case, metrics in cases.items()
    ]
    if lines:
        nearest = f" {mismatch.sentence}" if mismatch else ""
        yield Table(
            title=NOT_COMPARED.title,
            columns=("reason", "case", "figures", "which"),
            rows=tuple(lines),
            notes=(f"Cases must match on both sides.{nearest}",),
            part=NOT_COMPARED,
        )


def failed_table(base: Summary, new: Summary) -> Iterator[Table]:
    """By side, status and reason."""
    groups: dict[tuple[str, str, str], list[Case]] = {}
    for name, summary in (("BASE", base), ("NEW", new)):
        for outcome in summary.outcomes:
            groups.setdefault((name, outcome.status, one_line(outcome.reason)), []).append(outcome.case)
    if groups:
        yield Table(
            title=FAILURES.title,
            columns=("side", "status", "reason", "cases", "which"),
            rows=tuple((*key, len(cases), named(cases)) for key, cases in groups.items()),
            part=FAILURES,
        )
