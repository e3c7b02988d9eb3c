"""How long the benchmarks take, said when they are collected."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bench import devices
from bench.plan import estimate, feasibility, suite_plan
from bench.pytest_plugin import gate_options, measuring_mode, round_counts
from bench.pytest_plugin.session_budget import FIXTURE
from bench.schema import durations
from bench.schema.case import Case
from bench.schema.plurals import how_many

MARK = "measures"
"""The mark of a test that measures the case which it names."""
UNKNOWN = "an unknown time: --convbench-budget 2m limits it"
"""Cases of tests without the mark are not known before they run."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line(
        "markers", f"{MARK}(case): a benchmark of this case, for the estimate of its time"
    )


def pytest_report_collectionfinish(config: pytest.Config, items: Iterable[pytest.Item]) -> list[str]:
    """Of the cases that marks name; those of several processes are estimated when they are known."""
    options = gate_options.of(config)
    if not measuring_mode.is_measured(config) or options.replicates is not None:
        return []
    marked = [(item, item.get_closest_marker(MARK)) for item in items]
    named = dict.fromkeys(mark.args[0] for _, mark in marked if mark)
    cases = [case for case in named if _runs_here(case)]
    unknown = sum(mark is None and FIXTURE in getattr(item, "fixturenames", ()) for item, mark in marked)
    limit = options.budget
    tests = how_many(unknown, "test")
    if not cases:
        told = UNKNOWN if limit is None else f"at most {durations.about(limit)}"
        return [f"convbench: {tests} to measure, {told}"] if unknown else []
    usual = suite_plan.usual_protocol(devices.auto())
    protocol = round_counts.protocol_in_force(usual, config)
    seconds = sum(estimate.case_seconds(case, protocol) for case in cases)
    told = durations.about(seconds if limit is None else min(seconds, limit))
    more = f", and {tests} that take an unknown time" if unknown and limit is None else ""
    return [f"convbench: {how_many(len(cases), 'case')} to measure, {told}{more}"]


def _runs_here(case: Case) -> bool:
    return feasibility.why_not_here(case) is None and not estimate.lacks_instructions(case)
