"""A change in words, where its interval reaches so far that one end says nothing."""

from __future__ import annotations

import pytest

from bench.stats.verdicts import Verdict
from reports.compare.changes import in_speed, takes


def judged(ratio: float, low: float, high: float) -> Verdict:
    return Verdict(
        ratio=ratio, low=low, high=high, verdict="slower" if low > 1 else "faster", n_base=2, n_new=2
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (judged(8.0, 1.2, 90.0), "more than 1.20x the time"),
        (judged(0.09, 0.008, 0.98), "less than 0.980x the time"),
        (judged(2.5, 1.6, 4.0), "2.5x (1.6x to 4.0x) the time"),
    ],
    ids=["slower", "faster", "known"],
)
def test_a_far_end_is_left_out_and_the_direction_is_the_verdicts(found: Verdict, told: str) -> None:
    assert in_speed(found) == f"is {found.verdict}, at {told}"
    assert takes(found, "time") == f"takes {told}"
