"""Benchmarks are selected and grouped by the axes of their cases."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bench import test_networks
from bench.plan import axes, single_case
from bench.pytest_plugin.axes_of_cases import (
    marks_of,
    pytest_benchmark_group_stats,
    pytest_configure,
    unknown_groups,
)
from bench.schema.case import Case
from bench.schema.pytest_json import parameters_of

CASE = Case(model="vgg16", workload="training", precision="amp-bf16", engine="compile", batch=8)


def test_marks_name_workload_engine_and_precision() -> None:
    assert [mark.name for mark in marks_of(CASE)][:3] == ["training", "compile", "amp-bf16"]


def test_parameters_are_the_axes() -> None:
    found = parameters_of(CASE, "backward")
    assert (found["model"], found["batch"], found["phase"]) == ("vgg16", 8, "backward")


def test_grouping_by_a_parameter_that_a_benchmark_lacks_loses_no_table() -> None:
    benchmarks: list[dict[str, Any]] = [{"params": {"batch": 8}}, {"params": None}]
    pytest_benchmark_group_stats(benchmarks, "group,param:batch")
    assert [each["params"]["batch"] for each in benchmarks] == [8, "none"]


def test_a_parameter_that_no_benchmark_has_is_named() -> None:
    benchmarks = [SimpleNamespace(params=None), SimpleNamespace(params={"model": "vgg11", "batch": 8})]
    assert list(unknown_groups("group,param:batch", benchmarks)) == []
    (said,) = unknown_groups("param:bach,param:model", benchmarks)
    assert said.startswith("--benchmark-group-by: unknown parameter 'bach'. Did you mean 'batch'?")
    assert list(unknown_groups("param:bach", benchmarks[:1])) == [], "of another suite nothing is known"


def test_a_project_that_has_a_mark_keeps_its_own_meaning() -> None:
    lines = ["slow: of their own", "training(kind): theirs"]
    config: Any = SimpleNamespace(
        getini=lambda name: lines, addinivalue_line=lambda name, line: lines.append(line)
    )
    pytest_configure(config)
    names = [line.partition(":")[0] for line in lines]
    assert names.count("slow") == 1
    assert "training" not in names
    assert {"inference", "compile", "amp-bf16", "cuda"} <= set(names)


def test_the_networks_are_the_cases_of_the_quick_suite() -> None:
    """The fixture makes of a benchmark's parameters the case that `convbench run` would measure."""
    for case in test_networks.quick(False):
        given = {axis: getattr(case, axis) for axis in (*test_networks.AXES, "workload")}
        assert single_case.plan_of(given.pop("model"), axes.read_given(given), until=None).cases == [case]
