"""What holds where two files of tests run at a time."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import ClassVar, cast

import pytest

import conftest

ALONE = cast("pytest.Config", SimpleNamespace())
WORKER = cast("pytest.Config", SimpleNamespace(workerinput={"workerid": "gw1"}))


def test_a_workers_threads_wait_asleep_and_those_of_pytest_alone_as_users_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "environ", {})
    conftest._leave_cores_to_others(ALONE)
    assert os.environ == {}
    conftest._leave_cores_to_others(WORKER)
    assert os.environ == {"OMP_WAIT_POLICY": "passive"}


def test_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": "active"})
    conftest._leave_cores_to_others(WORKER)
    assert os.environ == {"OMP_WAIT_POLICY": "active"}


def test_what_needs_a_device_runs_alone_also_where_the_device_is() -> None:
    class Item:
        marks: ClassVar[list[str]] = ["cuda"]

        def get_closest_marker(self, name: str) -> str | None:
            return name if name in self.marks else None

        def add_marker(self, mark: str) -> None:
            self.marks.append(mark)

    conftest._skip([cast("pytest.Item", Item())], "cuda", lambda: None)
    assert Item.marks == ["cuda", "alone"]
