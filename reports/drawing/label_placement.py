"""Where the names of points stand in a picture: beside their point, and not over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.document import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

FONT_SIZE = 8
MARKER_PIXELS = 6.0
"""Half the side of a marker and about that of an error bar, so that a name keeps off both."""
NEAR = ((7, 0), (-7, 0), (0, 8), (0, -8), (6, 7), (-6, 7), (6, -7), (-6, -7))
FAR = ((14, 18), (-14, 18), (14, -18), (-14, -18), (14, 32), (-14, 32), (14, -32), (-14, -32))
"""Where a name may stand, in points from its own: the first place that is free is taken. From afar a line
leads to the point."""
LEADER = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4}
ALIGNED = {1: "left", 0: "center", -1: "right"}
RAISED = {1: "bottom", 0: "center", -1: "top"}


def place_names(figure: Figure, axes: Axes, series: Sequence[Series]) -> None:
    """Write each name at the place where it covers least; the layout must be settled, so it is drawn once."""
    from matplotlib.transforms import Bbox

    figure.canvas.draw()
    frame = axes.get_window_extent()
    taken = []
    for one in series:
        for x, low, high in zip(one.x, one.low or one.y, one.high or one.y, strict=True):
            (left, bottom), (right, top) = axes.transData.transform([(x, low), (x, high)])
            taken.append(Bbox.from_extents(left, bottom, right, top).padded(MARKER_PIXELS))
    for one in series:
        for x, y, name in zip(one.x, one.y, one.names, strict=False):
            if name:
                taken.append(_place(axes, (x, y), name, taken, frame))


def _place(axes: Axes, at: tuple[float, float], name: str, taken: Sequence[Bbox], frame: Bbox) -> Bbox:
    best: tuple[float, Bbox, tuple[int, int]] | None = None
    for right, up in (*NEAR, *FAR):
        text = _write(axes, at, name, (right, up))
        box = text.get_window_extent()
        text.remove()
        cost = sum(_overlap(box, other) for other in taken) + _outside(box, frame)
        if best is None or cost < best[0]:
            best = (cost, box, (right, up))
    assert best is not None
    _write(axes, at, name, best[2])
    return best[1]


def _write(axes: Axes, at: tuple[float, float], name: str, offset: tuple[int, int]) -> Annotation:
    right, up = ((step > 0) - (step < 0) for step in offset)
    text = axes.annotate(
        name,
        at,
        xytext=offset,
        textcoords="offset points",
        ha=ALIGNED[right],
        va=RAISED[up],
        fontsize=FONT_SIZE,
        arrowprops=LEADER if offset in FAR else None,
    )
    text.set_in_layout(False)  # a name must not move the axes under those already placed
    return text


def _overlap(one: Bbox, other: Bbox) -> float:
    """The area that two boxes share, in square pixels."""
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide * high if wide > 0 and high > 0 else 0.0


def _outside(box: Bbox, frame: Bbox) -> float:
    """The area of the box that is not inside the frame, in square pixels."""
    return float(box.width * box.height) - _overlap(box, frame)
