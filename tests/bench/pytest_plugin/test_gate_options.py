"""Options of a gate that cannot be: said in one sentence, before anything is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from bench.pytest_plugin import gate_options


def config(**given: str) -> pytest.Config:
    found = SimpleNamespace(
        getoption=lambda name, default=None: given.get(name.removeprefix("convbench_"), default)
    )
    return cast(pytest.Config, found)


def test_what_was_given_is_read() -> None:
    found = gate_options.read(config(replicates="5", compare="", fail_on="slower", budget="2m"))
    assert (found.replicates, found.compare, found.fail_on, found.budget) == (5, "", "slower", 120.0)


def test_without_options_cases_are_measured_in_this_process() -> None:
    assert gate_options.read(config()) == gate_options.GateOptions()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"replicates": "none"}, "--convbench-replicates must be a whole number"),
        ({"budget": "soon"}, "--convbench-budget must be a number of seconds"),
        ({"compare": ""}, "--convbench-compare is about several processes of each case"),
        ({"out": "runs/1"}, "--convbench-out is about several processes"),
        ({"replicates": "5", "fail_on": "slower"}, "--convbench-fail-on compares with nothing"),
        ({"replicates": "5", "compare": "", "fail_on": "faster"}, "faster"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(pytest.UsageError, match=sentence):
        gate_options.read(config(**given))
