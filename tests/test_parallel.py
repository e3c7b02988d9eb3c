"""What holds where two files of tests run at a time."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import cast

import pytest

import conftest

ALONE = cast("pytest.Config", SimpleNamespace())
WORKER = cast("pytest.Config", SimpleNamespace(workerinput={"workerid": "gw1"}))


def test_a_workers_threads_wait_asleep_and_those_of_pytest_alone_as_users_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", {"PYTEST_XDIST_WORKER": "gw1"})
    conftest._settle_worker(ALONE)
    assert list(os.environ) == ["PYTEST_XDIST_WORKER"]
    conftest._settle_worker(WORKER)
    assert os.environ == {"OMP_WAIT_POLICY": "passive"}


def test_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": "active"})
    conftest._settle_worker(WORKER)
    assert os.environ == {"OMP_WAIT_POLICY": "active"}


def test_what_needs_a_device_runs_alone_also_where_the_device_is(pytestconfig: pytest.Config) -> None:
    class Item:
        def __init__(self, mark: str) -> None:
            self.marks = [mark]

        def get_closest_marker(self, name: str) -> bool:
            return name in self.marks

        def add_marker(self, mark: str) -> None:
            self.marks.append(mark)

    items = [Item("cuda"), Item("slow")]
    conftest.pytest_collection_modifyitems(pytestconfig, cast("list[pytest.Item]", items))
    assert ["alone" in item.marks for item in items] == [True, False]
