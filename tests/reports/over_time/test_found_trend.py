"""What is found in series does not mix our measurements with those of other tools."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from bench.archive.case_series import CaseSeries
from bench.stats.change_points import find_changes
from reports.over_time.found_trend import changes_of
from tests.planted import planted_case_series
from tests.planted.planted_series import SPREAD, Array, level_series, points

NIGHTS = 60


def series(rows: Array, origin: str = "") -> Iterable[CaseSeries]:
    for at, logs in enumerate(rows):
        each = planted_case_series.series(NIGHTS, case=f"vgg{at}/training", origin=origin)
        yield structs.replace(each, points=tuple(points(logs)))


def test_series_of_two_tools_lend_each_other_no_spread() -> None:
    """Those of one tool scatter ten times as much as ours, which a shared spread would show."""
    ours = [*series(level_series(1, 6, NIGHTS))]
    others = [*series(level_series(2, 6, NIGHTS, 10 * SPREAD), "timm")]
    mixed = [each for pair in zip(ours, others, strict=True) for each in pair]
    found = changes_of(mixed)
    assert found[::2] == find_changes([each.points for each in ours])
    assert found[1::2] == find_changes([each.points for each in others])
