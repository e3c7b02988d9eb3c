"""Whether benchmarks are measured, and which options cannot be obeyed: decided here and nowhere else.

A benchmark either is measured, or runs once at a reduced size to show that it works. pytest-benchmark keeps
nothing of a run in which it is disabled, so what is reduced is never written, compared or shown.
"""

from __future__ import annotations

import importlib.util
import os

import pytest

from bench.pytest_plugin import round_counts

_ASK = (
    *("only", "enable", "autosave", "save", "save_data", "json", "compare", "compare_fail"),
    *("histogram", "cprofile", "cprofile_dump"),
)
"""Options of pytest-benchmark that are of no use without figures: `--benchmark-only` and so on."""


def asks_for_figures(config: pytest.Config) -> bool:
    """Whether any option asks for figures."""
    named = [*(f"benchmark_{name}" for name in _ASK), "convbench_replicates", "convbench_budget"]
    return any(config.getoption(name, None) for name in named)


def is_measured(config: pytest.Config) -> bool:
    """Whether benchmarks are measured, as pytest-benchmark has decided; False without it.

    `--benchmark-enable` overrides `--benchmark-disable`, and the workers of pytest-xdist measure nothing.
    """
    session = getattr(config, "_benchmarksession", None)
    return session is not None and not session.disabled and not session.skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot be had. Workers of pytest-xdist measure nothing, and pytest-benchmark says so."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        refuse_impossible(config)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Which options do nothing."""
    idle = round_counts.without_effect(config) if is_measured(config) else []
    return [f"convbench: no effect on its benchmarks, which it samples itself: {', '.join(idle)}"] * bool(
        idle
    )


def refuse_impossible(config: pytest.Config) -> None:
    """pytest.UsageError, before anything is measured, for figures that cannot be had."""
    seconds = config.getoption("benchmark_max_time", None)
    if seconds is not None and not float(str(seconds)) > 0:
        raise pytest.UsageError(f"--benchmark-max-time must be above 0, got {seconds}")
    if not asks_for_figures(config) or config.getoption("benchmark_skip", False):
        return
    if os.environ.get("PYTEST_XDIST_WORKER") or config.getoption("dist", "no") != "no":
        raise pytest.UsageError(
            "benchmarks cannot be measured by parallel workers (pytest-xdist): they slow each other down. "
            "Omit -n, or the options that ask for figures"
        )
    if config.getoption("benchmark_compare_fail", None) and not config.getoption("benchmark_compare", None):
        raise pytest.UsageError("--benchmark-compare-fail compares with nothing. Add --benchmark-compare")
    if config.getoption("benchmark_histogram", None) and importlib.util.find_spec("pygal") is None:
        raise pytest.UsageError(
            "--benchmark-histogram needs pygal: pip install 'pytest-benchmark[histogram]'"
        )
