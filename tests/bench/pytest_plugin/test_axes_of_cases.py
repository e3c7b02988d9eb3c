"""Benchmarks are selected and grouped by the axes of their cases."""

from __future__ import annotations

from typing import Any

from bench.pytest_plugin.axes_of_cases import marks_of, parameters_of, pytest_benchmark_group_stats
from bench.schema.case import Case

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
