"""The marker of limits: `@pytest.mark.convbench(max_seconds=2.0, max_bytes=2**30)`."""

from __future__ import annotations

import pytest

from bench.pytest_plugin.benchmarked import Benchmarked
from bench.pytest_plugin.gate_options import FailOn


def judge(found: Benchmarked, marker: pytest.Mark | None, fail_on: FailOn | None = None) -> None:
    """Fail where the marker's limits are exceeded.

    One process is judged by its median. Several are judged by their interval: it must lie above the limit
    with both ends; where the limit is inside, `inconclusive` fails too.
    """
    if marker is None or not found.is_measured:
        return
    unknown = set(marker.kwargs) - {"max_seconds", "max_bytes"}
    if marker.args or unknown:
        pytest.fail("mark.convbench takes max_seconds and max_bytes, by name", pytrace=False)
    for name, limit in marker.kwargs.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
            pytest.fail(f"mark.convbench: {name} must be a number above 0, got {limit!r}", pytrace=False)
    seconds, most = marker.kwargs.get("max_seconds"), marker.kwargs.get("max_bytes")
    if seconds is not None:
        _judge_seconds(found, seconds, fail_on)
    if most is not None and found.size is not None and found.size > most:
        pytest.fail(f"the peak is {found.size:,} bytes, above max_bytes={most:,}", pytrace=False)


def _judge_seconds(found: Benchmarked, limit: float, fail_on: FailOn | None) -> None:
    if found.processes == 1 or found.ends is None:
        if found.median > limit:
            pytest.fail(f"the median is {found.median:.4g} s, above max_seconds={limit:g}", pytrace=False)
        return
    low, high = found.ends
    told = f"the median of {found.processes} processes is {found.median:.4g} s ({low:.4g} to {high:.4g})"
    if low > limit:
        pytest.fail(f"{told}, above max_seconds={limit:g}", pytrace=False)
    if fail_on == "inconclusive" and high > limit:
        pytest.fail(f"{told}: too few processes to say if that is above max_seconds={limit:g}", pytrace=False)
