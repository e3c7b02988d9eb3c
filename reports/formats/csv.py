"""The figures as CSV (RFC 4180 with plain newlines): unrounded, in the units that each row names.

A spreadsheet takes text that begins with a sign such as `=` for a formula, and names come from users. Such a
cell has an apostrophe before it, as OWASP advises: https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from bench.schema.metrics import is_of
from reports.cells import Scalar
from reports.document import Document

_FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""By which text begins that a spreadsheet computes. The last four are the wide forms of the first, which some
take as well."""


def render(document: Document) -> str:
    """A header with every field of any row, then the rows; what is not there is empty.

    Of figures, which have a `median`, those without a value, counts of how much was measured and fields that
    no row fills are left out.
    """
    rows = [row for row in document.rows if _is_figure(row)]
    fields = list(dict.fromkeys(field for row in rows for field in row))
    if any("median" in row for row in rows):
        fields = [field for field in fields if any(_is_filled(row.get(field)) for row in rows)]
    return _line(fields) + "".join(_line([row.get(field) for field in fields]) for row in rows)


def _is_figure(row: Mapping[str, Scalar]) -> bool:
    if "median" not in row:
        return True
    return row["median"] is not None and not is_of(str(row.get("metric")), "sampling")


def _is_filled(value: Scalar) -> bool:
    return value is not None and value != ""


def _line(cells: Sequence[Scalar]) -> str:
    # A writer quotes what stands in its own end of line, and a carriage return must be quoted too.
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(map(_inert, cells))
    return text.getvalue().removesuffix("\r\n") + "\n"


def _inert(cell: Scalar) -> Scalar:
    """A cell that no spreadsheet computes; numbers as they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell
