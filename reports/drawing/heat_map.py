"""A table of numbers as colors: blue below zero, orange above, which all kinds of color vision tell apart.
Every cell also has its number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.document import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_INCHES, AROUND_INCHES = 0.24, 1.9
LOW, MIDDLE, HIGH, ABSENT = "#0072b2", "#f4f4f4", "#d55e00", "#c8c8c8"
DARK_INK, LIGHT_INK = "#111111", "#fdfdfd"
"""No colors of the page: they stand on cells, which are alike on light and dark pages."""
_SHADES = 21
"""An odd number, so that zero has one; from fifty on matplotlib would draw the scale as a photograph."""
NAME_SIZE, CELL_SIZE = 8.0, 7.0
FULL = 0.65
"""From this share of the strongest color on a cell's number is light."""
NARROWEST_NUMBERED = 16
"""Columns: in more of them no number has room."""


def height_inches(series: Sequence[Series]) -> float:
    """What a picture of these rows needs."""
    return AROUND_INCHES + ROW_INCHES * len(series)


def draw_heat_map(axes: Axes, series: Sequence[Series]) -> None:
    """A row for each series, which its label names: `x` are the columns from 0, `y` the numbers, and the
    names of the first series those of the columns. A number that is missing leaves a gray cell."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    columns = 1 + max(int(x) for row in series for x in row.x)
    cells = np.full((len(series), columns), np.nan)
    for at, row in enumerate(series):
        cells[at, [int(x) for x in row.x]] = row.y
    most = max(float(np.nanmax(np.abs(cells))), 1e-9)
    colors = LinearSegmentedColormap.from_list("slower", [LOW, MIDDLE, HIGH], N=_SHADES)
    axes.set_facecolor(ABSENT)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(cells),
        cmap=colors,
        norm=Normalize(-most, most),
        edgecolors="white",
        linewidth=0.5,
    )
    if columns <= NARROWEST_NUMBERED:
        _write_numbers(axes, cells.tolist(), most)
    axes.set_yticks(
        [at + 0.5 for at in range(len(series))], [row.label for row in series], fontsize=NAME_SIZE
    )
    names = series[0].names or tuple(map(str, range(1, columns + 1)))
    axes.set_xticks(
        [at + 0.5 for at in range(columns)],
        names,
        fontsize=NAME_SIZE,
        rotation=35,
        ha="right",
        rotation_mode="anchor",
    )
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.invert_yaxis()
    if axes.figure is not None:
        axes.figure.colorbar(mesh, ax=axes, fraction=0.03, pad=0.02)


def _write_numbers(axes: Axes, cells: Sequence[Sequence[float]], most: float) -> None:
    for down, row in enumerate(cells):
        for across, value in enumerate(row):
            words = "none" if math.isnan(value) else f"{value:.1f}".replace("-0.0", "0.0")
            ink = LIGHT_INK if abs(value) > FULL * most else DARK_INK
            axes.text(
                across + 0.5, down + 0.5, words, ha="center", va="center", fontsize=CELL_SIZE, color=ink
            )
