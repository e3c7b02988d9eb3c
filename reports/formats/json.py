"""The rows as JSON: {"rows": [...]}, unrounded, null for what is not there."""

from __future__ import annotations

import msgspec

from reports.document import Document

NAME = "json"


def render(document: Document) -> str:
    """One object, indented."""
    return msgspec.json.format(msgspec.json.encode({"rows": document.rows}), indent=2).decode() + "\n"
