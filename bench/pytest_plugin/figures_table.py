"""Below pytest-benchmark's table another one, of what that has no columns for: rates, shares of peak, memory.

Where all benchmarks are convbench's, its own table is short too, unless the user has chosen columns or order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from bench.pytest_plugin import failed_benchmarks, round_counts
from bench.schema.pytest_json import SavedBenchmark
from reports.pytest_files import benchmark_tables
from reports.pytest_files.timed_benchmark import TimedBenchmark, timed

COLUMNS = ["median", "iqr", "rounds"]
_THEIR_ORDER = "min"
"""pytest-benchmark's, where no other was asked for."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Around pytest-benchmark's table: which columns it has, and then ours."""
    session: Any = getattr(config, "_benchmarksession", None)
    if session is not None:
        choose_columns(session, config)
    try:
        return (yield)
    finally:
        if session is not None and not session.quiet:
            for line in lines(session.benchmarks, terminalreporter):
                terminalreporter.write_line(line)


def choose_columns(session: Any, config: pytest.Config) -> None:
    """Fewer columns, in the order of the names, where the session has no other suite's benchmarks."""
    shown = [each for each in session.benchmarks if each]
    if not shown or any("case" not in each.extra_info for each in shown):
        return
    if config.getoption("benchmark_columns", None) is None:
        session.columns = COLUMNS
    if session.sort == _THEIR_ORDER and not round_counts.is_typed(config, "--benchmark-sort"):
        session.sort = "name"


def lines(benchmarks: Sequence[Any], reporter: pytest.TerminalReporter) -> Iterator[str]:
    """The tables as wide as the terminal, and what has no figure; nothing where no benchmark is ours."""
    ours = list(read(benchmarks))
    if ours:
        from reports.formats import terminal

        yield ""
        writer = reporter._tw
        text = terminal.tables_in(
            list(benchmark_tables.tables(ours)), writer.fullwidth, is_colored=writer.hasmarkup
        )
        yield from text.splitlines()
    for failed in failed_benchmarks.kept_by(reporter.config):
        yield f"convbench: {failed['name']}: {failed['extra_info']['reason']}"


def read(benchmarks: Sequence[Any]) -> Iterator[TimedBenchmark]:
    """Those that this plugin measured."""
    for each in benchmarks:
        if each and not each.has_error and "case" in each.extra_info:
            plain = {**each.as_dict(include_data=True), "options": {}}
            yield timed(msgspec.convert(plain, SavedBenchmark))
