"""A pytest configuration that has some options of pytest-benchmark, and its session."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

_DEFAULTS: dict[str, object] = {
    "benchmark_max_time": "1.0",
    "benchmark_min_rounds": 5,
    "benchmark_min_time": "0.000005",
    "benchmark_warmup": False,
    "benchmark_warmup_iterations": 100000,
    "dist": "no",
}
"""Those of pytest-benchmark 5.3.1 and pytest-xdist."""


def config_with(session: object = None, typed: Sequence[str] = (), **options: object) -> pytest.Config:
    """`benchmark_` is put before each option, but for `dist` of pytest-xdist; `typed` are words of the
    command line without `--benchmark-`."""
    named = {name if name == "dist" else f"benchmark_{name}": value for name, value in options.items()}
    known = {**_DEFAULTS, **named}
    config: Any = SimpleNamespace(
        getoption=lambda name, default=None: known.get(name, default),
        getini=lambda name: [],
        invocation_params=SimpleNamespace(args=[f"--benchmark-{word}" for word in typed]),
    )
    if session is not None:
        config._benchmarksession = session
    return cast(pytest.Config, config)
