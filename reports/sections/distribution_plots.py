"""The raw samples behind the latency tables, drawn: how processes differ, and each within itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.schema.case import Workload
from bench.schema.metrics import CLOCKS
from bench.schema.phases import WHOLE
from reports.cells import UNRESOLVED, brief
from reports.document import Plot, Series
from reports.sections.latency_tables import key_of, title_of
from reports.summary.figures import Figure, Spread, Summary
from reports.summary.subjects import Subject, subject_of
from reports.tables.case_columns import in_words, varying
from reports.tables.unique_names import UniqueNames
from reports.tables.wording import measured, one_line

ROWS_IN_A_PLOT = 24
CASES_SHOWN = 48
"""Of each workload on each device; the tables have them all."""
NAME_LETTERS = 56
WIDE = 2.0
"""Samples that differ by more than this factor stand on a logarithmic axis."""
NOTE = (
    "A line is a process, a tick a twentieth of its samples, the dot its median. 1 is the case's figure, "
    "printed next to its name."
)

_Row = tuple[Spread, Figure]


def distribution_plots(summary: Summary) -> Iterator[Plot]:
    """For each workload and device the whole step, a row for each case, by the device's own clock if any."""
    figures = {_key(f): f for f in summary.figures if f.phase == WHOLE.get(f.case.workload)}
    timed = ((spread, figures.get(_key(spread))) for spread in summary.spreads)
    rows = [(spread, figure) for spread, figure in timed if figure is not None and figure.median > 0]
    names = UniqueNames()
    for workload in WHOLE:
        for device in dict.fromkeys(s.case.device for s, _ in rows if s.case.workload == workload):
            here = [row for row in rows if (row[0].case.workload, row[0].case.device) == (workload, device)]
            clock = next(clock for clock in CLOCKS if any(spread.metric == clock for spread, _ in here))
            by_clock = [row for row in here if row[0].metric == clock]
            yield from _plots(workload, device, by_clock, names)


def _key(found: Figure | Spread) -> tuple[Subject, str]:
    return subject_of(found), found.metric


def _plots(workload: Workload, device: str, rows: Sequence[_Row], names: UniqueNames) -> Iterator[Plot]:
    """Rows of one clock."""
    clock = CLOCKS[rows[0][0].metric]
    title = title_of(workload, device)
    more = f" The first {CASES_SHOWN} of {len(rows):,} cases." if len(rows) > CASES_SHOWN else ""
    axes = varying([subject_of(spread) for spread, _ in rows], without=("workload", "device"))
    for first in range(0, min(len(rows), CASES_SHOWN), ROWS_IN_A_PLOT):
        series = [_series(row, axes) for row in rows[first : first + ROWS_IN_A_PLOT]]
        samples = [x for each in series for x in each.x]
        yield Plot(
            name=names.unused(f"samples-{workload}-{device}"),
            title=f"{title}: the samples of each process",
            note=NOTE + more,
            under=key_of(workload, device),
            x_label=f"{clock} time of a {WHOLE[workload]} / the case's figure",
            y_label="",
            log_x=0 < WIDE * min(samples) < max(samples),
            kind="strips",
            series=tuple(series),
        )


def _series(row: _Row, axes: Sequence[str]) -> Series:
    spread, figure = row
    words = ", ".join(filter(None, [spread.case.model, in_words(subject_of(spread), axes)]))
    time = structs.replace(measured(figure, 1e3), unit=" ms")
    shown = brief(time) if time.is_resolved else UNRESOLVED
    return Series(
        label=f"{one_line(words, NAME_LETTERS)}: {shown}",
        x=tuple(sample / figure.median for samples in spread.samples for sample in samples),
        y=tuple(float(n) for n, samples in enumerate(spread.samples, start=1) for _ in samples),
        hue=0,
        row_name=subject_of(spread).name,
    )
