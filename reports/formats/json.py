"""The rows as JSON: {"rows": [...]}, unrounded, null for what is not there; `remarks` and `spent` where there
are any."""

from __future__ import annotations

import msgspec

from bench.schema.plain_text import encode
from reports.document import Document

NAME = "json"


def render(document: Document) -> str:
    """One object, indented."""
    remarks = {"remarks": document.remarks} if document.remarks else {}
    spent = {"spent": document.spent} if document.spent else {}
    return msgspec.json.format(encode({**remarks, **spent, "rows": document.rows}), indent=2).decode() + "\n"
