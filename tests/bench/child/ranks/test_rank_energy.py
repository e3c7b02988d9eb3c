"""Joules of a step of each rank, by planted counters; ranks are threads on simulated devices."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.child.ranks.rank_energy import joules_of_a_step
from bench.contracts.energy_source import NoCounter
from bench.contracts.rank_strategy import RankSteps
from bench.devices.fake import FakeDevice
from tests.planted.threaded_ranks import ThreadedAgreement, in_ranks

WATTS = (300.0, 200.0)
STEP, TICK = 0.5, 0.1


class TickingCounter:
    """Of a device that takes so many watts; it moves every TICK seconds."""

    why_absent: str | None = None
    why_no_power: str | None = None

    def __init__(self, device: FakeDevice, watts: float) -> None:
        self._device, self._watts = device, watts

    def joules(self) -> float:
        return self._watts * TICK * int(self._device.now / TICK + 1e-9)

    def watts(self) -> float:
        return self._watts


def _steps(device: FakeDevice) -> RankSteps:
    return RankSteps(
        step=lambda: device.launch(0.01, STEP),
        without_communication=None,
        why_none="",
        sent=(),
        state=lambda: pytest.fail("not asked for"),
        tensors=dict,
    )


def _sleep_of(device: FakeDevice) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        device.now += seconds

    return sleep


def test_each_rank_counts_its_own_device_over_the_same_steps() -> None:
    """A step takes 0.51 s: 153 J of 300 W, and two ticks at most of a window of 10 s are too much."""

    def rank(number: int, agreement: ThreadedAgreement) -> float:
        device = FakeDevice()
        counter = TickingCounter(device, WATTS[number])
        joules, why = joules_of_a_step(
            _steps(device), device, agreement, counter, seconds=10.0, sleep=_sleep_of(device)
        )
        assert not why
        assert joules is not None
        return joules

    found = in_ranks(2, rank)
    for joules, watts in zip(found, WATTS, strict=True):
        assert watts * 0.51 <= joules * 1.02
        assert joules <= watts * 0.51 * 1.03


def test_a_rank_without_a_counter_still_makes_the_steps() -> None:
    def rank(number: int, agreement: ThreadedAgreement) -> tuple[float | None, str]:
        device = FakeDevice()
        source = NoCounter("no NVML") if number else TickingCounter(device, 100.0)
        return joules_of_a_step(_steps(device), device, agreement, source, 2.0, _sleep_of(device))

    (first, _), (second, why) = in_ranks(2, rank)
    assert first is not None
    assert (second, why) == (None, "no NVML")


def test_no_step_is_made_where_no_rank_has_a_counter() -> None:
    def rank(number: int, agreement: ThreadedAgreement) -> float:
        device = FakeDevice()
        found = joules_of_a_step(_steps(device), device, agreement, NoCounter("no NVML"), 10.0)
        assert found == (None, "no NVML")
        return device.now

    assert in_ranks(2, rank) == [0, 0]


def test_energy_that_nobody_asked_for_costs_no_step() -> None:
    def rank(number: int, agreement: ThreadedAgreement) -> tuple[float | None, str]:
        device = FakeDevice()
        found = joules_of_a_step(_steps(device), device, agreement, NoCounter(""), 0.0)
        assert device.now == 0
        return found

    assert in_ranks(1, rank)[0][0] is None
