"""The rows as CSV (RFC 4180 with plain newlines): unrounded, in the units that each row names."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from reports.cells import Scalar
from reports.document import Document

NAME = "csv"


def render(document: Document) -> str:
    """A header with every field of any row, then the rows; what is not there is empty."""
    fields = list(dict.fromkeys(field for row in document.rows for field in row))
    return _line(fields) + "".join(_line([row.get(field) for field in fields]) for row in document.rows)


def _line(cells: Sequence[Scalar]) -> str:
    # A writer quotes what stands in its own end of line, and a carriage return must be quoted too.
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"
