"""Horizontal bars in a picture: a row for each name, with the series' lengths one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.document import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES = 0.17
AROUND_INCHES = 1.5
"""Above and below the rows: axis, titles and legend."""
NAME_SIZE = 8.0
THICK = 0.75
"""The height of a bar, as a share of its row's."""


def height_inches(series: Sequence[Series]) -> float:
    """What a picture of these bars needs."""
    return AROUND_INCHES + ROW_INCHES * len({row for each in series for row in each.y})


def draw_bars(axes: Axes, series: Sequence[Series], colors: Sequence[str]) -> None:
    """Rows from the top; `x` are the lengths, `y` the rows that they lie in, and `names` name the rows."""
    names = {row: name for each in series for row, name in zip(each.y, each.names, strict=True)}
    ends = dict.fromkeys(names, 0.0)
    for place, each in enumerate(series):
        axes.barh(
            each.y,
            each.x,
            left=[ends[row] for row in each.y],
            height=THICK,
            color=colors[(place if each.hue is None else each.hue) % len(colors)],
            label=each.label,
        )
        for row, length in zip(each.y, each.x, strict=True):
            ends[row] += length
    axes.set_yticks(list(names), list(names.values()), fontsize=NAME_SIZE)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(names) + 0.5, min(names) - 0.5)
    axes.grid(visible=False, axis="y")
