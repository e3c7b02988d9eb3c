"""pytest's side of convbench: the fixture `convbench`, found by every pytest where convbench is installed.

A module of its own, and nothing of convbench is imported before the fixture is used: a project may have
packages called `bench` or `models`, and its suite must run all the same.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bench.pytest_plugin.convbench_fixture import Convbench


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of limits."""
    config.addinivalue_line(
        "markers",
        "convbench(max_seconds, max_bytes): fail if the fixture convbench measures a larger median or peak",
    )


@pytest.fixture
def convbench(request: pytest.FixtureRequest) -> Convbench:
    """Time a network through pytest-benchmark: `convbench("vgg16")`, `convbench(module, batch=8)`."""
    try:
        importlib.import_module("convbench")  # it knows whose packages these are
    except ImportError as error:
        pytest.fail(str(error), pytrace=False)
    from bench.pytest_plugin.convbench_fixture import Convbench

    return Convbench(request)
