"""How long the benchmarks take, said when they are collected."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bench import devices
from bench.plan import estimate, feasibility, suite_plan
from bench.pytest_plugin import gate_options, measuring_mode, round_counts
from bench.schema import durations
from bench.schema.case import Case
from bench.schema.plurals import how_many

MARK = "measures"
"""The mark of a test that measures the case which it names."""


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
    marks = [item.get_closest_marker(MARK) for item in items]
    cases = [case for case in dict.fromkeys(mark.args[0] for mark in marks if mark) if _runs_here(case)]
    if not cases:
        return []
    usual = suite_plan.usual_protocol(devices.auto())
    protocol = round_counts.protocol_in_force(usual, config)
    seconds = sum(estimate.case_seconds(case, protocol) for case in cases)
    if options.budget is not None:
        seconds = min(seconds, options.budget)
    return [f"convbench: {how_many(len(cases), 'case')} to measure, {durations.about(seconds)}"]


def _runs_here(case: Case) -> bool:
    return feasibility.why_not_here(case) is None and not estimate.lacks_instructions(case)
