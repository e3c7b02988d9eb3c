"""When benchmarks are measured, and what is refused before anything is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bench.pytest_plugin import measuring_mode
from tests.planted.pytest_options import config_with


@pytest.mark.parametrize(
    "option", ["only", "enable", "autosave", "json", "compare", "histogram", "cprofile", "compare_fail"]
)
def test_an_option_that_needs_figures_asks_for_them(option: str) -> None:
    assert measuring_mode.asks_for_figures(config_with(**{option: "given"}))


def test_a_plain_pytest_asks_for_none() -> None:
    assert not measuring_mode.asks_for_figures(config_with(disable=True))


@pytest.mark.parametrize(
    ("disabled", "skip", "measured"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_measured_is_what_pytest_benchmark_says(disabled: bool, skip: bool, measured: bool) -> None:
    session = SimpleNamespace(disabled=disabled, skip=skip)
    assert measuring_mode.is_measured(config_with(session, only=True)) is measured


def test_without_pytest_benchmark_nothing_is_measured() -> None:
    assert not measuring_mode.is_measured(config_with(only=True))


def test_parallel_workers_measure_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pytest.UsageError, match="pytest-xdist"):
        measuring_mode.refuse_impossible(config_with(json="x.json", dist="load"))
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    with pytest.raises(pytest.UsageError, match="Omit -n"):
        measuring_mode.refuse_impossible(config_with(autosave=True))
    measuring_mode.refuse_impossible(config_with())  # the same workers may run tests


def test_a_gate_without_a_comparison_is_refused() -> None:
    with pytest.raises(pytest.UsageError, match=r"Add --benchmark-compare$"):
        measuring_mode.refuse_impossible(config_with(compare_fail=["median:5%"]))
    measuring_mode.refuse_impossible(config_with(compare_fail=["median:5%"], compare=True))


def test_a_histogram_without_pygal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(pytest.UsageError, match=r"pip install 'pytest-benchmark\[histogram\]'"):
        measuring_mode.refuse_impossible(config_with(histogram="x"))


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_a_time_that_is_none_is_refused(seconds: str) -> None:
    with pytest.raises(pytest.UsageError, match=rf"--benchmark-max-time must be above 0, got {seconds}$"):
        measuring_mode.refuse_impossible(config_with(max_time=seconds))
