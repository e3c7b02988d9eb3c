"""The findings of the doctor: the problems with what to do about them, then all checks."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from bench.schema.finding import Finding, Status
from bench.schema.plurals import how_many
from reports.document import Answer, Document, NextStep, Part, Table

ORDER: tuple[Status, ...] = ("warn", "unknown", "ok")
MARKS: dict[Status, str] = {"warn": "! warn", "unknown": "? unknown", "ok": "✓ ok"}
CHECKS = Part("checks", "All checks")


def document(findings: Sequence[Finding]) -> Document:
    """The problems first, then every check; a row for each finding, in the order of the checks."""
    ordered = sorted(findings, key=lambda finding: ORDER.index(finding.status))
    problems = [finding for finding in ordered if finding.status == "warn"]
    unknown = [finding.name for finding in ordered if finding.status == "unknown"]
    return Document(
        title="convbench doctor",
        answer=Answer(
            about=f"{len(findings)} checks",
            headlines=(verdict(findings),),
            table=_problems(problems) if problems else None,
            warnings=f"Could not be checked: {', '.join(unknown)}." if unknown else "",
            next_step=NextStep(
                command="convbench selftest", purpose="checks the harness against known answers"
            ),
        ),
        tables=(
            Table(
                title="All checks",
                columns=("check", "status", "found", "what to do"),
                rows=tuple((f.name, MARKS[f.status], f.found, f.advice or None) for f in ordered),
                part=CHECKS,
            ),
        ),
        rows=tuple(structs.asdict(finding) for finding in findings),
    )


def verdict(findings: Sequence[Finding]) -> str:
    """How many problems there are, and what they mean."""
    warnings = sum(finding.status == "warn" for finding in findings)
    if not warnings:
        return "No problems found."
    return f"{how_many(warnings, 'problem')} found; expect noisy measurements."


def has_warnings(findings: Sequence[Finding]) -> bool:
    """Whether something here makes measurements unreliable."""
    return any(finding.status == "warn" for finding in findings)


def _problems(problems: Sequence[Finding]) -> Table:
    return Table(
        title="Problems",
        columns=("check", "found", "what to do"),
        rows=tuple((f"! {each.name}", each.found, each.advice or None) for each in problems),
    )
