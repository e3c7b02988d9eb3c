"""When the launchers of several nodes give up."""

from __future__ import annotations

import pytest

from bench.distributed.several_nodes import NodeTask, seconds_left
from bench.schema.job import RankFiles


@pytest.mark.parametrize(("now", "left"), [(1000.0, 55.0), (1030.0, 30.0), (0.0, 60.0), (1e6, 30.0)])
def test_a_launcher_that_begins_late_gives_up_with_the_others(now: float, left: float) -> None:
    """Not 60 s after its own start, when nobody waits for its reason any more; clocks that differ by much
    cost at most half of the time."""
    files = RankFiles(folder="job", logs="log", ranks=2, nodes=2, seconds=60.0)
    task = NodeTask("function", b"", files, forks=True, until=1055.0)
    assert seconds_left(task, now) == left
