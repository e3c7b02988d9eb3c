"""A report as one JSON object: how it came about, its answer, and its rows unrounded."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bench.host.installed import version_of
from bench.schema.plain_text import encode
from reports.document import Document, Origin

SCHEMA = 1
"""Of the object, whatever that of the records is."""


def render(document: Document) -> str:
    """One object, indented. `schema` and `rows` always have a value; null or an empty list stands for what
    is not known."""
    return msgspec.json.format(encode(_fields(document)), indent=2).decode() + "\n"


def _fields(document: Document) -> Mapping[str, object]:
    origin, answer = document.origin or Origin(), document.answer
    return {
        "schema": SCHEMA,
        "convbench": version_of("convbench"),
        "command": origin.commands,
        "started_at": origin.started_at,
        "finished_at": origin.finished_at,
        "machines": origin.machines,
        "headline": answer.headlines if answer else (),
        "warnings": _warnings(document),
        **({"spent": document.spent} if document.spent else {}),
        **document.lists,
        "rows": document.rows,
    }


def _warnings(document: Document) -> tuple[str, ...]:
    """What forbids to trust the figures, then what to beware of."""
    if document.answer is None:
        return document.remarks
    return (*document.answer.alarms, *filter(None, (document.answer.warnings,)))
