"""What N devices give, and what is lost, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import structs

from reports.analysis.further_processes import resume_command
from reports.bar_rows import MOST_BARS, BarChart, BarRow
from reports.document import Answer, NextStep, Table
from reports.scale.scale_tables import size_table
from reports.scale.scale_words import (
    SHARED_HOST,
    does_not_add_up,
    efficiency_of,
    headline,
    is_sure,
    limit,
    name_of,
    predicted,
)
from reports.scale.scaling_series import ScaledSize, ScalingSeries, prediction_of
from reports.tables.label_meanings import UNRELIABLE

MOST_HEADLINES = 4
PROCESSES = 3
"""Jobs of each number of ranks: what an interval takes."""
_DETAILS = ("batch", "images/s", "sum")
"""Columns for which the first screen has no room."""


def answer(
    about: str, alarms: tuple[str, ...], found: Sequence[ScalingSeries], directories: Sequence[Path]
) -> tuple[str, Answer]:
    """The title of the report and its first screen, of at least one series; `about` says machine, versions
    and counts, `alarms` what forbids to trust the figures."""
    apart = does_not_add_up(found)
    told = list(_headlines(found))
    more = len(told) - MOST_HEADLINES
    return _title(found), Answer(
        about=about,
        alarms=(*alarms, *apart),
        headlines=(*told[:MOST_HEADLINES], *([f"And {more} more."] if more > 0 else [])),
        chart=_chart(found),
        table=_first_screen(size_table(found[0])),
        warnings=" ".join(_warnings(found)),
        next_step=_next(found, directories),
    )


def _title(found: Sequence[ScalingSeries]) -> str:
    names = dict.fromkeys(map(name_of, found))
    return f"{next(iter(names))}: scaling" if len(names) == 1 else f"{len(names)} scaled networks"


def _headlines(found: Sequence[ScalingSeries]) -> Iterator[str]:
    """Of a single series also what limits it and, where what it rests on is known, what is predicted."""
    for series in found:
        yield headline(series)
        if len(found) <= 2 and (told := limit(series)):
            yield told
    if len(found) == 1 and is_sure(found[0]) and (prediction := prediction_of(found[0])) is not None:
        yield predicted(found[0], prediction)


def _chart(found: Sequence[ScalingSeries]) -> BarChart | None:
    """The efficiency of each number of ranks; None where none is resolved."""
    rows = [
        BarRow(
            label=_label(series, size, several=len(found) > 1), bars=(structs.replace(efficiency, unit=""),)
        )
        for series in found
        for size in series.sizes
        if (efficiency := efficiency_of(size)) is not None and efficiency.is_resolved
    ]
    return BarChart(title="Efficiency, %", rows=tuple(rows[:MOST_BARS])) if rows else None


def _label(series: ScalingSeries, size: ScaledSize, *, several: bool) -> str:
    ranks = f"{size.ranks} {series.unit}s"
    return f"{name_of(series)}, {ranks}" if several else ranks


def _first_screen(table: Table) -> Table:
    """The columns that fit beside each other, without what explains them."""
    at = [i for i, name in enumerate(table.columns) if name not in _DETAILS]
    return Table(
        title=table.title,
        columns=tuple(table.columns[i] for i in at),
        rows=tuple(tuple(row[i] for i in at) for row in table.rows),
        optional=("link", "of ceiling", "efficiency", "skew", "exposed", "compute"),
    )


def _warnings(found: Sequence[ScalingSeries]) -> Iterator[str]:
    if any(series.shares_a_host for series in found):
        yield f"! {SHARED_HOST[0].upper()}{SHARED_HOST[1:]}."
    labels = dict.fromkeys(
        tag for series in found for size in series.sizes for tag in size.time.tags if tag in UNRELIABLE
    )
    if labels:
        yield f"! Times may not repeat: {', '.join(labels)}."


def _next(found: Sequence[ScalingSeries], directories: Sequence[Path]) -> NextStep:
    resume = resume_command(directories[0]) if len(directories) == 1 else None
    few = [size for series in found for size in series.sizes if len(size.time.medians) < PROCESSES]
    if resume is not None and few:
        return NextStep(
            command=f"{resume} --replicates {PROCESSES}", purpose="gives every figure an interval"
        )
    folders = " ".join(map(str, directories)) or "DIR"
    return NextStep(command=f"convbench report {folders} -o scale.html", purpose="all figures as a page")
