"""A chart of many alike things: a dot for each, and what stands out by name."""

from __future__ import annotations

from msgspec import Struct


class Dot(Struct, frozen=True):
    """`name` is written beside it; most have none."""

    value: float
    name: str = ""


class DotChart(Struct, frozen=True, kw_only=True):
    """A dot for each of many things, on an axis that holds zero, and a line at the margin.

    title   what is drawn, and in which unit: `Slower than the center, %`
    what    a dot is: `GPU`; its plural has an s
    margin  from where on a dot stands out, in the same unit
    """

    title: str
    what: str
    dots: tuple[Dot, ...]
    margin: float

    @property
    def ends(self) -> tuple[float, float]:
        """Of the axis: all dots, zero and the margin."""
        values = [dot.value for dot in self.dots]
        return min(0.0, *values), max(self.margin, *values)
