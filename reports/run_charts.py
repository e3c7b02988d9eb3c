"""Charts of runs over time, column by column: years of nights and dozens of cases are many points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

MarkKind = Literal["slower", "faster", "drift", "boundary", "acknowledged"]


class ChartRuns(Struct, frozen=True, kw_only=True):
    """The runs that charts share, a place in each column for each run.

    names     as commands of the archive take them
    at        ISO 8601, UTC
    seconds   the same since 1970
    undated   places of runs whose date is not that of their own clock
    sets      the conditions of runs, by name; `set_of` says for each run the place of its own
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    at: tuple[str, ...]
    seconds: tuple[float, ...]
    undated: frozenset[int]
    sets: tuple[Mapping[str, str], ...]
    set_of: tuple[int, ...]


class RunLevel(Struct, frozen=True):
    """Points from `first` to `last` that share a level, with its interval."""

    first: int
    last: int
    value: float
    low: float
    high: float


class RunSlope(Struct, frozen=True):
    """Points from `first` to `last` that drift, from the value `begin` to `end`."""

    first: int
    last: int
    begin: float
    end: float


class RunMark(Struct, frozen=True):
    """What stands at a point: a few letters in the chart, and the whole of it in words."""

    at: int
    kind: MarkKind
    label: str
    words: str


class RunChart(Struct, frozen=True, kw_only=True):
    """One series: a point for each of its runs, in the order of time.

    note       what there is to know of it, in a sentence
    unit       of all values: `ms`
    runs       for each point the place of its run
    low, high  for each point the interval of its processes; None where there is none
    outliers   points that belong to no level
    group      charts of one group stand together under it as a heading; "" without one
    """

    title: str
    note: str
    unit: str
    runs: tuple[int, ...]
    values: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    processes: tuple[int, ...]
    outliers: tuple[int, ...] = ()
    levels: tuple[RunLevel, ...] = ()
    slopes: tuple[RunSlope, ...] = ()
    marks: tuple[RunMark, ...] = ()
    group: str = ""


class RunCharts(Struct, frozen=True, kw_only=True):
    """Small charts side by side, with what they have in common.

    part  the name of the part of the report that they belong to
    """

    title: str
    note: str
    part: str
    runs: ChartRuns
    charts: tuple[RunChart, ...]
