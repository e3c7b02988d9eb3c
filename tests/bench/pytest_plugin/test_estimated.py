"""The estimate that stands below the number of collected tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.pytest_plugin import estimated
from bench.schema.case import Case
from tests.planted.pytest_options import config_with

CASE = Case(model="lenet5", image=28, channels=1, classes=10)


def lines(*cases: Case | None, disabled: bool = False, foreign: int = 0) -> list[str]:
    """Of tests that name a case or none, and of `foreign` ones that call the fixture themselves."""
    items: Any = [
        SimpleNamespace(
            get_closest_marker=lambda name, case=case: case and SimpleNamespace(args=(case,), name=name)
        )
        for case in cases
    ]
    calling = SimpleNamespace(get_closest_marker=lambda name: None, fixturenames=["convbench"])
    items += [calling] * foreign
    config: Any = config_with(SimpleNamespace(disabled=disabled, skip=False), only=True)
    config.stash = pytest.Stash()
    return estimated.pytest_report_collectionfinish(config, items)


def test_the_phases_of_a_case_count_once() -> None:
    (said,) = lines(CASE, CASE, None)
    assert said.startswith("convbench: 1 case to measure, about ")


def test_nothing_is_said_where_nothing_is_measured() -> None:
    assert lines(CASE, disabled=True) == []
    assert lines(None) == []


def test_tests_whose_case_is_not_known_are_counted() -> None:
    (said,) = lines(CASE, None, foreign=2)
    assert said.startswith("convbench: 1 case to measure, about ")
    assert said.endswith(", and 2 tests that take an unknown time")
    (said,) = lines(foreign=1)
    assert said == "convbench: 1 test to measure, an unknown time: --convbench-budget 2m limits it"
    assert lines(foreign=1, disabled=True) == []
