"""What to beware of in the table of pytest-benchmark: a line for each row with a warning, for a gate that a
single process cannot carry, and for a parameter to group by that there is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pytest

from bench.pytest_plugin.axes_of_cases import unknown_groups

INSTEAD = "--convbench-replicates 5 --convbench-compare --convbench-fail-on slower"


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Below the table, also where a regression ends it."""
    try:
        return (yield)
    finally:
        session: Any = getattr(config, "_benchmarksession", None)
        told: Iterator[str] = iter(())
        if session is not None:
            shown = [each for each in session.benchmarks if each]
            told = chain(lines(shown, session.compare_fail), unknown_groups(session.group_by, shown))
        for line in told:
            terminalreporter.write_line(f"convbench: {line}", yellow=True)


def lines(benchmarks: Sequence[Any], compare_fail: object) -> Iterator[str]:
    """In the order of the rows."""
    ours = [each for each in benchmarks if "interval_scope" in each.extra_info]
    for benchmark in ours:
        warnings = benchmark.extra_info.get("warnings")
        if warnings:
            yield f"{benchmark.name}: {'; '.join(warnings)}"
    if compare_fail and any(each.extra_info["interval_scope"] == "within-process" for each in ours):
        yield (
            "--benchmark-compare-fail compares single processes, which differ by several percent without any "
            f"change of the code. Use {INSTEAD}"
        )
