"""A network is built once for the phases of its case, and what it sets holds only while it is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench import devices
from bench.pytest_plugin import kept_step
from bench.pytest_plugin.kept_step import KeptStep
from bench.schema.case import Case

ONE = Case(model="lenet5", image=28, channels=1, classes=10, threads=1)
OTHER = Case(model="lenet5", image=28, channels=1, classes=10, threads=1, batch=2)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """The cases whose networks were built, in order."""
    cases: list[Case] = []

    def build(case: Case) -> Any:
        cases.append(case)
        return SimpleNamespace(case=case)

    monkeypatch.setattr("bench.pytest_plugin.ready_step.of_case", build)
    return cases


def test_one_case_is_built_once_and_another_takes_its_place(built: list[Case]) -> None:
    kept = KeptStep()
    for case in (ONE, ONE, OTHER, ONE):
        with kept.of(case) as ready:
            assert ready.case == case
    assert built == [ONE, OTHER, ONE]


def test_cached_memory_is_given_back_before_another_network(
    built: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU this empties torch's cache, which else the peak of the next case would begin with."""
    released: list[int] = []
    monkeypatch.setattr(
        type(devices.get(ONE.device)), "release_memory", lambda device: released.append(len(built))
    )
    kept = KeptStep()
    for case in (ONE, ONE, OTHER):
        with kept.of(case):
            pass
    assert released == [0, 1]


def test_torch_is_what_it_was_between_two_phases(built: list[Case]) -> None:
    kept, before = KeptStep(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for _ in range(2):
            with kept.of(ONE):
                assert torch.get_num_threads() == 1
                assert not torch.is_grad_enabled()
            assert torch.get_num_threads() == 2
            assert torch.is_grad_enabled()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("nextitem", "kept"),
    [
        (SimpleNamespace(fixturenames=["convbench", "benchmark"]), [ONE]),
        (SimpleNamespace(fixturenames=["tmp_path"]), [ONE, ONE]),
        (None, [ONE, ONE]),
    ],
)
def test_a_network_is_freed_before_a_test_that_measures_none(
    built: list[Case], nextitem: Any, kept: list[Case]
) -> None:
    config: Any = SimpleNamespace(stash=pytest.Stash())
    item: Any = SimpleNamespace(config=config)
    for following in (nextitem, None):
        with kept_step.kept_by(config).of(ONE):
            pass
        kept_step.pytest_runtest_teardown(item, following)
    assert built == kept


def test_what_this_machine_cannot_run_is_skipped(built: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.devices.cpu.Cpu.why_unusable", lambda self, case: "no such unit")
    with pytest.raises(pytest.skip.Exception, match="no such unit"), KeptStep().of(ONE):
        pass
    assert built == []
