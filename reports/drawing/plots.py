"""Plots -> PNG and SVG. The same plot gives the same SVG, byte by byte.

Markers differ as well as colors, for print without color. matplotlib is imported late, and its global state
is left as it was.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from msgspec import structs

from reports.document import Document, Plot, Series
from reports.drawing import answer_chart
from reports.drawing.bars import draw_bars
from reports.drawing.bars import height_inches as bars_height_inches
from reports.drawing.heat_map import draw_heat_map
from reports.drawing.heat_map import height_inches as heat_height_inches
from reports.drawing.label_placement import place_names
from reports.drawing.palette import COLORS
from reports.drawing.strips import draw_strips
from reports.drawing.strips import height_inches as strips_height_inches

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")
MARKERS = "os^DvPX*"
WIDTH_INCHES, HEIGHT_INCHES, LEGEND_ROW_INCHES = 7.2, 4.2, 0.2
DOTS_PER_INCH = 150
MARKED_POINTS = 16
"""Lines of more points than this show no markers: they would touch."""
NARROW, WIDE = 3.0, 20.0
"""Where the ends of a logarithmic axis differ by less than these factors it needs more numbers to be read."""
LEGEND_LETTERS = 96
"""About what fits into the width of a picture."""
STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    # a model's name may hold a dollar sign
    "text.parse_math": False,
    # glyphs as shapes, so that a picture looks the same wherever it is opened
    "svg.fonttype": "path",
    "svg.hashsalt": "convbench",
}


def write(document: Document, folder: Path) -> Document:
    """Draw the plots into `folder` (made where there is none), as NAME.png and NAME.svg, and the chart of the
    answer as an SVG for each color scheme.

    Returns the document with links to them, for a text that will lie next to the folder. Without pictures
    nothing is written and the document comes back as it is. Raises OSError where it cannot write, as where
    the folder would lie in one that is not there.
    """
    chart = document.answer.picture if document.answer else None
    if not document.plots and chart is None:
        return document
    folder.mkdir(exist_ok=True)
    for scheme, text in answer_chart.files(chart).items() if chart else ():
        (folder / answer_chart.file_name(scheme)).write_text(text, encoding="utf-8")
    for plot in document.plots:
        for format_ in FORMATS:
            (folder / f"{plot.name}.{format_}").write_bytes(draw(plot, format_))
    return structs.replace(document, pictures=folder.name)


def draw(plot: Plot, format_: str, *, words_as_text: bool = False) -> bytes:
    """One picture, `png` or `svg`; the words of an SVG can stay text for a page that has fonts."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, STYLE))  # releases differ in how they type their own keys
        if words_as_text:
            mpl.rcParams["svg.fonttype"] = "none"
        figure = Figure(figsize=(WIDTH_INCHES, _height_inches(plot)), dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        if plot.kind == "strips":
            draw_strips(axes, plot.series, COLORS)
        elif plot.kind == "bars":
            draw_bars(axes, plot.series, COLORS)
        elif plot.kind == "heat":
            draw_heat_map(axes, plot.series)
        else:
            _draw_series(axes, plot)
        _frame(figure, axes, plot)
        if plot.kind not in ("bars", "heat") and any(series.names for series in plot.series):
            place_names(figure, axes, plot.series)
        picture = io.BytesIO()
        metadata = {"Date": None} if format_ == "svg" else {}
        figure.savefig(picture, format=format_, metadata=metadata)
    return picture.getvalue()


def _height_inches(plot: Plot) -> float:
    if plot.kind == "strips":
        return strips_height_inches(plot.series)
    if plot.kind == "bars":
        return bars_height_inches(plot.series)
    if plot.kind == "heat":
        return heat_height_inches(plot.series)
    return HEIGHT_INCHES + LEGEND_ROW_INCHES * _legend_rows(plot)


def _draw_series(axes: Axes, plot: Plot) -> None:
    for place, series in enumerate(plot.series):
        hue = place if series.hue is None else series.hue
        (_line if (series.kind or plot.kind) == "lines" else _points)(axes, series, hue)


def _line(axes: Axes, series: Series, hue: int) -> None:
    color, marker = COLORS[hue % len(COLORS)], MARKERS[hue % len(MARKERS)]
    if series.low:
        axes.fill_between(series.x, series.low, series.high, color=color, alpha=0.18, linewidth=0)
    axes.plot(
        series.x,
        series.y,
        color=color,
        linestyle="--" if series.dashed else "-",
        marker=marker if len(series.x) <= MARKED_POINTS else None,
        markerfacecolor="white" if series.dashed else color,
        label=_entry(series),
    )


def _points(axes: Axes, series: Series, hue: int) -> None:
    color, marker = COLORS[hue % len(COLORS)], MARKERS[hue % len(MARKERS)]
    bars = None
    if series.low:
        bars = (
            [max(y - low, 0.0) for y, low in zip(series.y, series.low, strict=True)],
            [max(high - y, 0.0) for y, high in zip(series.y, series.high, strict=True)],
        )
    axes.errorbar(
        series.x,
        series.y,
        yerr=bars,
        color=color,
        linestyle="none",
        marker=marker,
        markersize=6.5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        elinewidth=1.2,
        capsize=3,
        label=_entry(series),
    )


def _entry(series: Series) -> str:
    """The label as matplotlib takes it: what begins with an underscore has no entry in the legend."""
    return f" {series.label}" if series.label.startswith("_") else series.label or "_"


def _frame(figure: Figure, axes: Axes, plot: Plot) -> None:
    """Axes, titles, and a legend below them, where it covers nothing."""
    figure.suptitle(plot.title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    axes.set_title(plot.note, loc="left", fontsize=8.5, color="#444444", wrap=True)
    axes.set_xlabel(plot.x_label)
    axes.set_ylabel(plot.y_label)
    if plot.kind == "heat":
        return
    _scale(axes, "x", plot.log_x, [x for series in plot.series for x in series.x])
    if plot.kind == "strips":
        return
    if plot.kind != "bars":
        _scale(axes, "y", plot.log_y, [y for s in plot.series for y in (*s.y, *s.low, *s.high)])
    if plot.kind in ("lines", "bars"):
        axes.margins(x=0.02)
    else:
        axes.margins(y=0.14)  # names need room
    if _legend_rows(plot):
        figure.legend(loc="outside lower center", ncols=_legend_columns(plot), fontsize=9)


def _legend_rows(plot: Plot) -> int:
    """None for a single label: the title says it."""
    labels = sum(bool(series.label) for series in plot.series)
    return math.ceil(labels / _legend_columns(plot)) if labels > 1 else 0


def _legend_columns(plot: Plot) -> int:
    labels = [series.label for series in plot.series if series.label]
    longest = max(map(len, labels), default=0)
    return max(1, min(len(labels), LEGEND_LETTERS // (longest + 6)))


def _scale(axes: Axes, name: Literal["x", "y"], log: bool, values: Sequence[float]) -> None:
    """Numbers as people write them, whole ones for epochs; a logarithmic axis has some however narrow."""
    from matplotlib.ticker import (
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
        NullLocator,
        ScalarFormatter,
    )

    axis = axes.xaxis if name == "x" else axes.yaxis
    plain = FuncFormatter(lambda value, _: f"{value:,.10g}")
    if not log:
        whole = name == "x" and all(float(value).is_integer() for value in values)
        axis.set_major_locator(MaxNLocator("auto", integer=whole, steps=[1, 2, 5, 10]))
        digits = ScalarFormatter(useOffset=False)  # as many decimals at every number
        digits.set_scientific(False)
        axis.set_major_formatter(digits)
        return
    low, high = min(values) / 1.25, max(values) * 1.25
    if name == "x":
        axes.set_xscale("log")
        axes.set_xlim(low, high)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
    if high / low < NARROW:
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    else:
        numbers = (1, 2, 5) if high / low > WIDE else (1, 1.5, 2, 3, 4, 5, 7)
        axis.set_major_locator(LogLocator(subs=numbers, numticks=20))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(plain)
    axis.set_minor_formatter(NullFormatter())
