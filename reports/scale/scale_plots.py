"""Pictures of scaling: efficiency over the number of ranks, and what the steps are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.document import Plot, Series
from reports.scale.scale_tables import key_of
from reports.scale.scaling_series import ScaledSize, ScalingSeries
from reports.tables.time_units import unit_of

PARTS = (("compute", "compute"), ("skew", "skew"), ("exposed", "exposed communication"))


def scale_plots(found: Sequence[ScalingSeries]) -> Iterator[Plot]:
    """Under the table of each series."""
    for number, series in enumerate(found, start=1):
        if series.most.scaling is not None:
            yield _efficiency(series, number)
        if all(size.parts for size in series.sizes):
            yield _bars(series, number)


def _efficiency(series: ScalingSeries, number: int) -> Plot:
    """From the fewest ranks, whose efficiency is 100% by definition."""
    rows = [(size.ranks, *_percents(size)) for size in series.sizes]
    return Plot(
        name=f"efficiency-{number}",
        title="Scaling efficiency",
        note="Images a second over those of the fewest ranks, by their ratio; 95% intervals over jobs.",
        under=key_of(series),
        x_label="ranks",
        y_label="efficiency (%)",
        log_x=True,
        series=(
            Series(
                x=tuple(float(row[0]) for row in rows),
                y=tuple(row[1] for row in rows),
                low=tuple(row[2] for row in rows),
                high=tuple(row[3] for row in rows),
            ),
        ),
    )


def _percents(size: ScaledSize) -> tuple[float, float, float]:
    """The efficiency and its ends; where there is no interval these are the figure."""
    if size.scaling is None:
        return 100.0, 100.0, 100.0
    found = size.scaling.efficiency
    interval = found.interval
    ends = (interval.low, interval.high) if interval is not None else (found.value, found.value)
    return 100 * found.value, 100 * ends[0], 100 * ends[1]


def _bars(series: ScalingSeries, number: int) -> Plot:
    unit = unit_of(size.time.median for size in series.sizes)
    rows = tuple(float(at) for at in range(len(series.sizes)))
    names = tuple(f"{size.ranks}" for size in series.sizes)

    def lengths(part: str) -> tuple[float, ...]:
        return tuple(
            max(0.0, unit.per_second * sum(getattr(each, part) for each in size.parts) / len(size.parts))
            for size in series.sizes
        )

    return Plot(
        name=f"parts-{number}",
        title="What a step is made of",
        note="A bar for each number of ranks: the mean over the jobs, of other steps than the table's.",
        under=key_of(series),
        x_label=f"step ({unit.name})",
        y_label="ranks",
        kind="bars",
        series=tuple(
            Series(label=label, x=lengths(part), y=rows, names=names, hue=hue)
            for hue, (part, label) in enumerate(PARTS)
        ),
    )
