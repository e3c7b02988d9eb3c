"""A cell of a table as a page shows it: its text, its look, its value for sorting, what its labels mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from bench.schema import plain_text
from reports.cells import FOLLOWS_FROM_UNRESOLVED, Cell, Labels, Missing, Quantity, Sparkline
from reports.tables.label_meanings import MEANINGS

LONG_LETTERS = 48
"""Shorter texts stay on one line: a name that is broken in two is hard to find."""
UNKNOWN, NUMBER, LONG, ONE_PROCESS, LABELS, SPARK = "unknown", "number", "long", "one", "labels", "spark"
"""Classes of the style sheet. What is unknown stands last however a table is sorted."""
MARKS = {
    "▲": "bad",
    "✗": "bad",
    "▼": "good",
    "✓": "good",
    "!": "doubtful",
    FOLLOWS_FROM_UNRESOLVED: "doubtful",
}
"""What a text begins with -> its class; the color says nothing that the character does not."""


class PageCell(Struct, frozen=True):
    """`value` is what numbers are sorted by; `labels` are the text in pieces, each with its meaning; `words`
    say what a text shows that nobody reads aloud."""

    text: str
    classes: str = ""
    value: str | None = None
    labels: Sequence[tuple[str, str]] = ()
    words: str = ""


def shown(cell: Cell, numeric: bool, written: Callable[[Cell], str]) -> PageCell:
    """The cell of a column that is `numeric` or not."""
    text = printable(written(cell))
    value = _value(cell)
    classes = [NUMBER] if numeric else [LONG] if len(text) > LONG_LETTERS else []
    if isinstance(cell, Quantity | Missing | None) and value is None:
        classes.append(UNKNOWN)
    elif isinstance(cell, Quantity) and cell.of_one:
        classes.append(ONE_PROCESS)
    elif isinstance(cell, Labels):
        classes = [LABELS]
    elif isinstance(cell, Sparkline):
        classes = [SPARK]
    elif isinstance(cell, str) and (mark := MARKS.get(cell[:1])):
        classes.append(mark)
    words = cell.words if isinstance(cell, Sparkline) else ""
    return PageCell(text, " ".join(classes), value, _labels(cell), words)


def _value(cell: Cell) -> str | None:
    """A number as JavaScript reads it; None of what is no number, or is not resolved."""
    if isinstance(cell, Quantity):
        cell = cell.value if cell.is_resolved and not cell.unresolved else None
    if not isinstance(cell, int | float):
        return None
    return repr(cell) if math.isfinite(cell) else "Infinity" if cell > 0 else "-Infinity"


def _labels(cell: Cell) -> Sequence[tuple[str, str]]:
    """Each with what it means."""
    words = cell.words if isinstance(cell, Labels) else ()
    return [(word, MEANINGS.get(word, "")) for word in words]


def printable(text: str | int | None) -> str:
    """What stands in the page: a character that nobody sees becomes a space."""
    if text is None:
        return ""
    if not isinstance(text, str):
        return str(text)
    return text if hasattr(text, "__html__") else plain_text.printable(text)
