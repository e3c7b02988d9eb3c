"""pytest's side of convbench: the fixture `convbench`, found by every pytest where convbench is installed.

A module of its own, and nothing of convbench is imported before a suite uses the fixture: a project may have
packages called `bench` or `models`, and its suite must run all the same.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bench.pytest_plugin.convbench_fixture import Convbench

PARTS = tuple(
    f"bench.pytest_plugin.{name}"
    for name in (
        *("measuring_mode", "axes_of_cases", "saved_runs", "kept_step"),
        *("gate_options", "replicated_session", "session_budget"),
        *("estimated", "early_saving", "row_warnings", "failed_benchmarks", "figures_table"),
    )
)
"""Where the hooks are that act on a suite which uses the fixture."""
_BENCHMARKS = Path(__file__).resolve().parent / "bench"
"""The folder of convbench's own benchmarks."""


_OPTIONS: dict[str, dict[str, Any]] = {
    "replicates": {"metavar": "N", "help": "measure each network in N processes, and keep them as a run"},
    "out": {"metavar": "DIR", "help": "folder of that run (default: in the storage of pytest-benchmark)"},
    "compare": {
        "metavar": "RUN",
        "nargs": "?",
        "const": "",
        "help": "compare with a kept run, by its number or folder (default: the last one)",
    },
    "fail-on": {"metavar": "VERDICT", "help": "fail if slower, or if slower or inconclusive"},
    "budget": {
        "metavar": "SECONDS",
        "help": "time for all measurements: cases are shortened or left out, and named",
    },
}


def activate(plugins: pytest.PytestPluginManager) -> None:
    """Load the hooks, once. Raises ImportError where Python finds other packages under convbench's names."""
    importlib.import_module("convbench")  # it knows whose packages these are
    for part in PARTS:
        if not plugins.has_plugin(part):
            plugins.register(importlib.import_module(part), part)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--convbench-replicates` and the options about it; bench.pytest_plugin.gate_options reads them."""
    group = parser.getgroup("convbench", "networks measured by convbench")
    for name, attributes in _OPTIONS.items():
        group.addoption(f"--convbench-{name}", default=None, **attributes)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of limits; where an option was given, what obeys it."""
    names = (name.replace("-", "_") for name in _OPTIONS)
    if any(config.getoption(f"convbench_{name}") is not None for name in names):
        try:
            activate(config.pluginmanager)
        except ImportError as error:
            raise pytest.UsageError(str(error)) from error
    config.addinivalue_line(
        "markers",
        "convbench(max_seconds, max_bytes): fail if the fixture convbench measures a larger median or peak",
    )
    if not config.pluginmanager.hasplugin("benchmark"):
        config.pluginmanager.register(_WithoutPytestBenchmark())


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> None:
    """convbench's own benchmarks have marks, which are registered before their module is imported."""
    if module_path.parent == _BENCHMARKS:
        activate(parent.config.pluginmanager)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Before anything is measured, where a test that was not deselected uses the fixture."""
    if any("convbench" in getattr(item, "fixturenames", ()) for item in items):
        try:
            activate(config.pluginmanager)
        except ImportError:
            return  # the fixture says it in the test's name


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_compare_machine_info(
    config: pytest.Config, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
) -> None:
    """A run that was saved with the fixture in use knows more of the machine: describe this one as fully.
    pytest-benchmark asks before tests are collected."""
    if "convbench" in compared_benchmark["machine_info"] and "convbench" not in machine_info:
        try:
            activate(config.pluginmanager)
        except ImportError:
            return
        from bench.pytest_plugin import saved_runs

        saved_runs.pytest_benchmark_update_machine_info(config, machine_info)


@pytest.fixture
def convbench(request: pytest.FixtureRequest, benchmark: Any) -> Iterator[Convbench]:
    """Time a network through pytest-benchmark: `convbench("vgg16")`, `convbench(module, batch=8)`."""
    try:
        activate(request.config.pluginmanager)
    except ImportError as error:
        benchmark.skipped = True  # else pytest-benchmark would warn as well that nothing was measured
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    from bench.pytest_plugin.convbench_fixture import Convbench

    fixture = Convbench(request)
    yield fixture
    # What failed has said why; pytest-benchmark would warn besides that nothing was measured.
    benchmark.skipped = benchmark.skipped or fixture.is_called


class _WithoutPytestBenchmark:
    """What the fixture is where pytest-benchmark is not installed, or switched off."""

    @pytest.fixture
    def convbench(self) -> None:
        """Fails: pytest-benchmark is missing."""
        pytest.fail("convbench needs pytest-benchmark: pip install 'convbench[pytest]'", pytrace=False)
