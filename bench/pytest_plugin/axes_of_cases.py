"""A case's axes as pytest and pytest-benchmark know them: marks to select by, parameters to group by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from bench import devices, engines
from bench.schema.case import PRECISIONS, TIMED, Case
from models.errors import unknown


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marks of convbench's own benchmarks, unless the project has them."""
    known = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    marks = dict.fromkeys((*TIMED, *engines.engines(), *PRECISIONS), "a benchmark of such a case")
    for device in devices.devices().values():
        if not device.traits.is_host:
            marks[device.name] = f"needs {device.traits.title}; skipped without it"
    marks["slow"] = "takes seconds or minutes"
    for name, meaning in marks.items():
        if name not in known:
            config.addinivalue_line("markers", f"{name}: {meaning}")


def marks_of(case: Case) -> list[pytest.MarkDecorator]:
    """`-m "cuda and compile and training"` selects by these. The CPU has none: it is always there."""
    names = [case.workload, case.engine, case.precision]
    if not devices.traits(case.device).is_host:
        names.append(case.device)
    return [*(getattr(pytest.mark, name) for name in names), pytest.mark.measures(case)]


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_group_stats(benchmarks: Sequence[dict[str, Any]], group_by: str) -> None:
    """Give each benchmark all parameters that it is grouped by: a KeyError would lose every table."""
    for name in _named(group_by):
        for benchmark in benchmarks:
            known: Mapping[str, object] = benchmark.get("params") or {}
            benchmark["params"] = {**known, name: known.get(name, "none")}


def unknown_groups(group_by: str, benchmarks: Sequence[Any]) -> Iterator[str]:
    """A sentence for each parameter to group by that no benchmark has."""
    known = dict.fromkeys(name for benchmark in benchmarks for name in benchmark.params or ())
    for name in _named(group_by) if known else ():
        if name not in known:
            yield f"--benchmark-group-by: {unknown('parameter', name, known)}"


def _named(group_by: str) -> Iterator[str]:
    for word in group_by.split(","):
        kind, _, name = word.partition(":")
        if kind == "param" and name:
            yield name
