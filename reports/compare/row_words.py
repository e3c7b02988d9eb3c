"""What a row of a comparison is about, and what it says, in words."""

from __future__ import annotations

from msgspec import Struct

from bench.schema.metrics import CLOCKS, title_of
from bench.schema.phases import whole
from reports.cells import Quantity, brief
from reports.compare.changes import More, takes
from reports.compare.comparison_rows import EXACT_METRICS, ComparisonRow
from reports.summary.figures import EPOCH
from reports.tables.wording import MIB

WALL = "wall_time"


class Kind(Struct, frozen=True):
    """How a unit is shown: the table's title, the unit printed and its size, what more or less of it is, and
    the words for the verdicts. A size that is `slower` in the JSON form is larger."""

    title: str
    printed: str
    size: float
    of: More
    faster: str
    slower: str

    def word(self, verdict: str | None) -> str | None:
        """The verdict of a row of this unit."""
        return {"faster": self.faster, "slower": self.slower}.get(verdict or "", verdict)


KINDS = {
    "s": Kind("Time", "ms", 1e-3, "time", "faster", "slower"),
    "bytes": Kind("Memory", "MiB", MIB, "memory", "smaller", "larger"),
    "J": Kind("Energy", "J", 1.0, "energy", "less", "more"),
}
KIND_OF_PEAK = Kind("Time of each product", "ms", 1e-3, "time", "faster", "slower")
KINDS_OF_TRAINING = {
    "s": Kind("Time of training runs", "s", 1.0, "time", "faster", "slower"),
    "bytes": Kind("Memory of training runs", "MiB", MIB, "memory", "smaller", "larger"),
    "J": Kind("Energy of training runs", "J", 1.0, "energy", "less", "more"),
}


def what(row: ComparisonRow) -> str:
    """`step wall`, `peak allocated of forward`, `compile cold`"""
    clock = CLOCKS.get(row.metric)
    if clock:
        return f"{row.phase} {clock}"
    metric = title_of(row.metric)
    return metric if row.phase in ("model", EPOCH) else f"{row.phase} {metric}"


def is_step_time(row: ComparisonRow) -> bool:
    """Whether it is the wall time of a whole step: the one time by which a case is judged."""
    return row.phase == whole(row.case) and row.metric == WALL


def is_count(row: ComparisonRow) -> bool:
    """Whether it does not scatter, and is equal or different."""
    return row.metric in EXACT_METRICS


def change_in_words(row: ComparisonRow) -> str:
    """Of a row that changed: `takes 12% (3% to 21%) more time`, `is lower by 2.1 (1.1 to 3.0) points`."""
    if row.verdict == "diverged":
        return f"diverged, {row.reason}"
    if row.difference is not None:
        return f"is {row.verdict} by {_points(row)} points"
    if is_count(row) or row.ratio is None:
        return f"is {row.verdict}: {_count(row.base)} in BASE, {_count(row.new)} in NEW"
    return takes(row, KINDS[row.unit].of)


def in_words(row: ComparisonRow, name: str) -> str:
    """`VGG-16 training, batch 8, step wall: takes 12% (3% to 21%) more time`"""
    return f"{name}, {what(row)}: {change_in_words(row)}"


def _points(row: ComparisonRow) -> str:
    """Without its sign, which the verdict says."""
    assert row.difference is not None
    sign = -1 if row.difference < 0 else 1
    ends = sorted(100 * sign * end for end in (row.low, row.high) if end is not None)
    low, high = ends if len(ends) == 2 else (None, None)
    value = 100 * sign * row.difference
    return brief(Quantity(value=value, low=low, high=high, interval="ends", digits=1))


def _count(value: float | None) -> str:
    return "nothing" if value is None else f"{round(value):,}"
