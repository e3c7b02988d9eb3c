"""What `trend ack` and `trend unack` say: which changes are acknowledged now, and which are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.schema.acknowledgement import Acknowledgement
from bench.schema.plurals import how_many
from reports.cells import Scalar
from reports.document import Answer, Document

MOST_TOLD = 3


def document(archive: Path, changed: Mapping[str, Acknowledgement], *, is_withdrawn: bool) -> Document:
    """A sentence and a row for each change that was acknowledged, or is no longer."""
    headlines = [_sentence(name, each, is_withdrawn) for name, each in changed.items()]
    more = len(headlines) - MOST_TOLD
    told = headlines[:MOST_TOLD] + [f"And {how_many(more, 'more change')}."] * (more > 0)
    return Document(
        title="Trend",
        answer=Answer(about=str(archive), headlines=tuple(told)),
        tables=(),
        rows=tuple(_rows(changed, is_withdrawn)),
    )


def _sentence(name: str, each: Acknowledgement, is_withdrawn: bool) -> str:
    of = f"{name} ({each.what} of {each.case}, {each.run_at[:10]})"
    return (
        f"{of} is no longer acknowledged."
        if is_withdrawn
        else f"{of} is acknowledged by {each.by}: {each.why}."
    )


def _rows(changed: Mapping[str, Acknowledgement], is_withdrawn: bool) -> Iterator[dict[str, Scalar]]:
    for name, each in changed.items():
        yield {
            "name": name,
            "what": each.what,
            "case": each.case,
            "kind": each.kind,
            "run": each.run,
            "run_at": each.run_at,
            "by": each.by,
            "acknowledged_at": each.acknowledged_at,
            "why": each.why,
            "is_acknowledged": int(not is_withdrawn),
        }
