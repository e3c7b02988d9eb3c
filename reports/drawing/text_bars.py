"""Bars in plain text: of block characters, which standard output replaces where its encoding lacks them."""

from __future__ import annotations

from collections.abc import Iterator

from reports.bar_rows import BarChart
from reports.cells import Quantity, brief

FILLS = "█░▓"
"""What the bars of the first, second and third series are made of."""
FEWEST_CELLS = 8
"""A bar of fewer shows nothing."""
_GAP = 2


def lines(chart: BarChart, width: int) -> Iterator[str]:
    """A title, then a line for each row: its name, and for each series a bar with its value.

    All bars begin at zero and share a scale. From the end of a bar a whisker reaches to the upper end of the
    interval. Where `width` leaves too little room for bars, the values stand without them.
    """
    yield _title(chart)
    if not chart.rows:
        return
    names = max(len(row.label) for row in chart.rows)
    series = range(len(chart.series))
    texts = [[_text(row.bars[at]) for row in chart.rows] for at in series]
    needed = names + sum(_GAP + 1 + max(map(len, column)) for column in texts)
    cells = (width - needed) // len(series)
    longest = max((_end(bar) for row in chart.rows for bar in row.bars), default=0.0)
    for number, row in enumerate(chart.rows):
        line = row.label.ljust(names)
        for at in series:
            text = texts[at][number]
            if cells >= FEWEST_CELLS and longest > 0:
                drawn = _bar(row.bars[at], longest, cells, FILLS[at % len(FILLS)])
                text = f"{drawn} {text}" if drawn else text
                line += " " * _GAP + text.ljust(cells + 1 + max(map(len, texts[at])))
            else:
                line += " " * _GAP + text.rjust(max(map(len, texts[at])))
        yield line.rstrip()


def _title(chart: BarChart) -> str:
    if len(chart.series) == 1:
        return chart.title
    legend = ", ".join(f"{FILLS[at % len(FILLS)]} {name}" for at, name in enumerate(chart.series))
    return f"{chart.title}: {legend}"


def _text(bar: Quantity | None) -> str:
    return "" if bar is None else brief(bar)


def _is_drawn(bar: Quantity | None) -> bool:
    return bar is not None and bar.is_resolved and not bar.unresolved


def _end(bar: Quantity | None) -> float:
    """How far a bar reaches, with its whisker."""
    if bar is None or not _is_drawn(bar):
        return 0.0
    return max(bar.value, bar.across[1] if bar.across else 0.0)


def _bar(bar: Quantity | None, longest: float, cells: int, fill: str) -> str:
    """At least one cell of what is not zero, so that it can be seen."""
    if bar is None or not _is_drawn(bar):
        return ""
    length = max(1, round(bar.value / longest * cells)) if bar.value > 0 else 0
    whisker = round(_end(bar) / longest * cells) - length
    return fill * length + ("─" * (whisker - 1) + "┤" if whisker > 0 else "")
