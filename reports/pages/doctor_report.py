"""The findings of the doctor as a document: what is wrong stands first."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from bench.schema.finding import Finding, Status
from reports.document import Document, Table

ORDER: tuple[Status, ...] = ("warn", "unknown", "ok")


def document(findings: Sequence[Finding]) -> Document:
    """A table for people, warnings first; a row for each finding, in the order of the checks."""
    warnings = sum(finding.status == "warn" for finding in findings)
    ordered = sorted(findings, key=lambda finding: ORDER.index(finding.status))
    words = "1 thing" if warnings == 1 else f"{warnings} things"
    verdict = (
        f"{words} here can spoil a measurement."
        if warnings
        else "Nothing was found that would spoil a measurement."
    )
    return Document(
        title="convbench doctor",
        text=(verdict,),
        tables=(
            Table(
                title="Findings",
                columns=("name", "status", "found", "advice"),
                rows=tuple((f.name, f.status, f.found, f.advice or None) for f in ordered),
            ),
        ),
        rows=tuple(structs.asdict(finding) for finding in findings),
    )
