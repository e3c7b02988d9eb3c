"""Memory on a host is that of a process of its own, whatever pytest's has done before."""

from __future__ import annotations

from typing import Any

import pytest

from bench.pytest_plugin import child_memory
from bench.pytest_plugin.child_memory import ChildMemory
from bench.schema.case import Case
from models.errors import UserError

LENET = Case(model="lenet5", image=28, channels=1, classes=10, threads=1)


@pytest.mark.slow
def test_a_child_measures_each_case_once() -> None:
    memory = ChildMemory()
    try:
        first = memory.of(LENET)
        assert first is not None
        found = {each.metric: each.samples[0] for each in first if each.phase in ("model", "forward")}
        assert found["weights"] == 4 * 61_706
        assert found["peak_resident"] > found["weights"]
        assert memory.of(LENET) is first
    finally:
        memory.close()


def test_a_device_that_counts_by_itself_needs_none() -> None:
    assert ChildMemory().of(Case(model="lenet5", device="cuda")) is None


def test_where_no_server_starts_the_process_of_pytest_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise UserError("no server")

    monkeypatch.setattr(child_memory, "server_for", refuse)
    assert ChildMemory().of(LENET) is None
