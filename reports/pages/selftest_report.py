"""The answers of the self-test as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import structs

from bench.schema.check import Check
from reports.document import Document, Table


def document(checks: Sequence[Check]) -> Document:
    """A table and a row for each check, in order, under a sentence that counts them."""
    counts = Counter[str](check.status for check in checks)
    verdict = ", ".join(f"{counts[status]} {word}" for status, word in WORDS.items() if counts[status])
    return Document(
        title="convbench selftest",
        text=(f"Answers that are known beforehand: {verdict}.",),
        tables=(
            Table(
                title="Checks",
                columns=("name", "status", "expected", "measured"),
                rows=tuple((c.name, c.status, c.expected or None, c.measured) for c in checks),
            ),
        ),
        rows=tuple(structs.asdict(check) for check in checks),
    )


WORDS = {"pass": "passed", "fail": "failed", "skipped": "skipped"}


def failed(checks: Sequence[Check]) -> bool:
    """Whether the harness must not be trusted on this machine."""
    return any(check.status == "fail" for check in checks)
