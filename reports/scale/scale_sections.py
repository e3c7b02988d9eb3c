"""All tables of a report about scaling, in reading order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.document import Table
from reports.scale.link_tables import ceiling_table, rank_table, sweep_table, traffic_table
from reports.scale.scale_tables import loss_table, prediction_table, size_table
from reports.scale.scaling_series import ScalingSeries


def scale_tables(found: Sequence[ScalingSeries]) -> Iterator[Table]:
    """Those of each series, then what the ranks share."""
    for series in found:
        yield size_table(series)
        yield from loss_table(series)
        yield from prediction_table(series)
    yield from ceiling_table(found)
    for series in found:
        yield from traffic_table(series)
        yield from rank_table(series)
    yield from sweep_table(found)
