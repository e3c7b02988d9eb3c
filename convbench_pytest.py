"""pytest's side of convbench: the fixture `convbench`, found by every pytest where convbench is installed.

A module of its own, and nothing of convbench is imported before the fixture is used: a project may have
packages called `bench` or `models`, and its suite must run all the same.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bench.pytest_plugin.convbench_fixture import Convbench


PARTS = tuple(
    f"bench.pytest_plugin.{name}"
    for name in (
        *("gate_options", "replicated_session", "session_budget"),
        *("estimated", "early_saving", "row_warnings"),
    )
)
"""Where the hooks are that act on a suite which uses the fixture."""

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
        activate(config.pluginmanager)
    config.addinivalue_line(
        "markers",
        "convbench(max_seconds, max_bytes): fail if the fixture convbench measures a larger median or peak",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Before anything is measured, where a test that was not deselected uses the fixture."""
    if any("convbench" in getattr(item, "fixturenames", ()) for item in items):
        try:
            activate(config.pluginmanager)
        except ImportError:
            return  # the fixture says it in the test's name


@pytest.fixture
def convbench(request: pytest.FixtureRequest) -> Convbench:
    """Time a network through pytest-benchmark: `convbench("vgg16")`, `convbench(module, batch=8)`."""
    try:
        activate(request.config.pluginmanager)
    except ImportError as error:
        pytest.fail(str(error), pytrace=False)
    from bench.pytest_plugin.convbench_fixture import Convbench

    return Convbench(request)
