"""The answers of the self-test as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import structs

from bench.schema.check import Check, Status
from reports.document import Answer, Document, NextStep, Part, Table

CHECKS = Part("checks", "All checks")
MARKS: dict[Status, str] = {"pass": "✓ pass", "fail": "✗ fail", "skipped": "skipped"}


def document(checks: Sequence[Check]) -> Document:
    """How many passed, those that failed, then a row for each check, in order."""
    wrong = [check for check in checks if check.status == "fail"]
    return Document(
        title="convbench selftest",
        answer=Answer(
            about=f"{len(checks)} checks with known answers",
            headlines=(verdict(checks),),
            table=_table("Failed checks", wrong) if wrong else None,
            next_step=None
            if wrong
            else NextStep(command="convbench run", purpose="measures the quick suite"),
        ),
        tables=(structs.replace(_table("All checks", checks), part=CHECKS),),
        rows=tuple(structs.asdict(check) for check in checks),
    )


def verdict(checks: Sequence[Check]) -> str:
    """`21 of 21 checks passed.`; where one failed, what that means."""
    counts = Counter(check.status for check in checks)
    made = counts["pass"] + counts["fail"]
    told = [f"{counts['pass']} of {made} checks passed."]
    if counts["skipped"]:
        told.append(f"{counts['skipped']} skipped: they cannot run on this machine.")
    if counts["fail"]:
        told.append("Do not trust measurements on this machine until all checks pass.")
    return " ".join(told)


def _table(title: str, checks: Sequence[Check]) -> Table:
    return Table(
        title=title,
        columns=("check", "status", "expected", "measured"),
        rows=tuple((c.name, MARKS[c.status], c.expected or None, c.measured) for c in checks),
    )


def failed(checks: Sequence[Check]) -> bool:
    """Whether the harness must not be trusted on this machine."""
    return any(check.status == "fail" for check in checks)
