"""What failed, was skipped, is absent or carries a warning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.schema.case import Case
from bench.schema.case_warnings import in_words
from bench.schema.metrics import title_of
from reports.document import Table
from reports.summary.figures import Absence, FailedProcesses, Summary
from reports.tables.wording import models_named, named, one_line

FAILURES = "Failures"
CANNOT_RUN = "Skipped on this machine"


def failed_table(outcomes: Sequence[FailedProcesses]) -> Iterator[Table]:
    failed = [outcome for outcome in outcomes if outcome.status != "skipped"]
    if failed:
        yield Table(
            title=FAILURES,
            columns=("case", "status", "reason", "processes"),
            rows=tuple((o.case.id, o.status, one_line(o.reason), o.processes) for o in failed),
            notes=("Failed processes are excluded from all other tables.",),
        )


def skipped_table(outcomes: Sequence[FailedProcesses]) -> Iterator[Table]:
    """By reason, as one lack (no GPU, say) skips many cases."""
    reasons: dict[str, list[Case]] = {}
    for outcome in outcomes:
        if outcome.status == "skipped":
            reasons.setdefault(outcome.reason, []).append(outcome.case)
    if reasons:
        yield Table(
            title=CANNOT_RUN,
            columns=("reason", "cases", "which"),
            rows=tuple((one_line(reason), len(cases), named(cases)) for reason, cases in reasons.items()),
        )


def absences_table(absences: Sequence[Absence]) -> Iterator[Table]:
    """By reason, as one lack (no energy counter, say) holds for many cases."""
    reasons: dict[tuple[str, str], dict[Case, None]] = {}
    for absence in absences:
        reasons.setdefault((absence.metric, absence.reason), {})[absence.case] = None
    if reasons:
        yield Table(
            title="Not measured",
            columns=("what", "reason", "cases", "which"),
            rows=tuple(
                (title_of(metric), one_line(reason), len(cases), named(tuple(cases)))
                for (metric, reason), cases in reasons.items()
            ),
        )


def warnings_table(summary: Summary) -> Iterator[Table]:
    """A warning over many cases stands here once; its words, which are long, stand below the table."""
    words = [
        f"{one_line(in_words(warned.example))} ({warned.cases[0].id})"
        for warned in summary.warnings
        if warned.example.detail
    ]
    if summary.warnings:
        yield Table(
            title="Warnings",
            columns=("warning", "cases", "processes", "models"),
            rows=tuple(
                (warned.label, len(warned.cases), warned.processes, models_named(warned.cases))
                for warned in summary.warnings
            ),
            notes=("One example per warning.", *words) if words else (),
        )
