"""Distributions in a picture: a row for each, in it a line for each process with a tick for each sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.stats.estimates import median
from reports.document import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LANE_INCHES = 0.085
"""The height of one process."""
LEAST_LANES = 2
"""A row of one process must still hold the letters of its name."""
AROUND_INCHES = 1.0
"""Above and below the rows: axis and titles."""
NAME_SIZE = 8.5
TICK = 0.7
"""The height of a tick, as a share of its process's."""
DOT_POINTS = 3.6


def height_inches(series: Sequence[Series]) -> float:
    """What a picture of these rows needs."""
    return AROUND_INCHES + LANE_INCHES * sum(map(_lanes, series))


def draw_strips(axes: Axes, series: Sequence[Series], colors: Sequence[str]) -> None:
    """Rows from the top; `x` are the samples, `y` the number of the process that each one is of."""
    top, middles = 0.0, []
    for place, row in enumerate(series):
        processes = list(dict.fromkeys(row.y))
        middles.append(top + (_lanes(row) - 1) / 2)
        first = middles[-1] - (len(processes) - 1) / 2
        color = colors[(place if row.hue is None else row.hue) % len(colors)]
        lanes: dict[float, list[float]] = {process: [] for process in processes}
        for x, process in zip(row.x, row.y, strict=True):
            lanes[process].append(x)
        _draw_lanes(axes, list(lanes.values()), first, color)
        top += _lanes(row)
    axes.set_yticks(middles, [row.label for row in series], fontsize=NAME_SIZE)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(top - 0.5, -1.0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def _lanes(row: Series) -> float:
    """How many lines high a row is, with the gap to the next."""
    return max(LEAST_LANES, len(set(row.y))) + 1


def _draw_lanes(axes: Axes, lanes: Sequence[Sequence[float]], first: float, color: str) -> None:
    """The processes of a row, a lane each. One path for all ticks: a marker for each would make the page
    several times as large, and paths of each lane would take seconds to draw."""
    heights = [first + lane for lane in range(len(lanes))]
    lows, highs = [min(samples) for samples in lanes], [max(samples) for samples in lanes]
    axes.hlines(heights, lows, highs, color=color, linewidth=0.7, alpha=0.45)
    along, across = [], []
    for samples, height in zip(lanes, heights, strict=True):
        along += [x for sample in samples for x in (sample, sample, math.nan)]
        across += [height - TICK / 2, height + TICK / 2, math.nan] * len(samples)
    axes.plot(along, across, color=color, linewidth=0.7, alpha=0.6)
    middles = [median(samples) for samples in lanes]
    axes.plot(middles, heights, "o", color=color, markersize=DOT_POINTS, markeredgewidth=0)
