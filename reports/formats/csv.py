"""The rows as CSV (RFC 4180 with plain newlines): unrounded, in the units that each row names."""

from __future__ import annotations

import csv
import io

from reports.table import Document

NAME = "csv"


def render(document: Document) -> str:
    """A header with every field of any row, then the rows; what is not there is empty."""
    fields = list(dict.fromkeys(field for row in document.rows for field in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(document.rows)
    return text.getvalue()
