"""The rows as JSON: {"rows": [...]}, unrounded, null for what is not there; `remarks` where there are any."""

from __future__ import annotations

import msgspec

from bench.schema.plain_text import encode
from reports.document import Document

NAME = "json"


def render(document: Document) -> str:
    """One object, indented."""
    remarks = {"remarks": document.remarks} if document.remarks else {}
    return msgspec.json.format(encode({**remarks, "rows": document.rows}), indent=2).decode() + "\n"
