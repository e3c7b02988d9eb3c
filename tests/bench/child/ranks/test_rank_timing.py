"""Ranks are timed together: as many steps in each, and planted parts come back."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable

import pytest
from msgspec import structs

from bench.child.ranks.rank_timing import RankTimes, time_rank
from bench.contracts.rank_strategy import RankSteps
from bench.devices.fake import FakeDevice
from bench.schema.case import MeasurementProtocol
from bench.stats.scaling import RankSeconds, parts_of
from tests.planted.threaded_ranks import ThreadedAgreement, in_ranks

COMPUTE = (1.0, 1.2, 0.8)
"""s of a step without communication, by rank."""
STEP = 1.5
"""s of a whole step: all ranks wait for the slowest one."""
PROTOCOL = MeasurementProtocol(min_samples=6, max_samples=6, warmup_steps=2, warmup_seconds=0.0)


def _steps(device: FakeDevice, rank: int, *, quiet: bool = True) -> RankSteps:
    def work(seconds: float) -> Callable[[], None]:
        return lambda: device.launch(0.01, seconds)

    return RankSteps(
        step=work(STEP),
        without_communication=work(COMPUTE[rank]) if quiet else None,
        why_none="" if quiet else "it cannot",
        sent=(),
        state=lambda: pytest.fail("not asked for"),
        tensors=dict,
    )


def _timed(*, asynchronous: bool = True, quiet: bool = True) -> list[RankTimes]:
    def rank(number: int, agreement: ThreadedAgreement) -> RankTimes:
        device = FakeDevice(asynchronous)
        return time_rank(_steps(device, number, quiet=quiet), device, agreement, PROTOCOL)

    return in_ranks(len(COMPUTE), rank)


@pytest.mark.parametrize("asynchronous", [True, False])
def test_planted_parts_come_back(asynchronous: bool) -> None:
    """On a device that works behind the host's back by its events, on a host by the clock."""
    ranks = _timed(asynchronous=asynchronous)
    host = 0.0 if asynchronous else 0.01
    for number, times in enumerate(ranks):
        assert times.own["quiet of a pair"] == pytest.approx([COMPUTE[number] + host] * 6)
        assert times.job["step"] == pytest.approx([STEP + host] * 6)
        assert times.job["quiet of a pair"] == pytest.approx([max(COMPUTE) + host] * 6)
    exposed = [
        step - quiet
        for step, quiet in zip(ranks[0].job["step of a pair"], ranks[0].job["quiet of a pair"], strict=True)
    ]
    assert statistics.median(exposed) == pytest.approx(STEP - max(COMPUTE))


def test_all_ranks_make_the_same_steps() -> None:
    first, *others = _timed()
    counts = {series: len(samples) for series, samples in first.own.items()}
    assert counts["step"] == counts["quiet of a pair"] == counts["step of a pair"] == 6
    assert all({name: len(taken) for name, taken in each.own.items()} == counts for each in others)


def test_a_device_with_a_queue_is_also_timed_by_the_hosts_clock() -> None:
    assert _timed()[0].job["wall"] == pytest.approx([STEP + 0.01] * 6)
    assert "wall" not in _timed(asynchronous=False)[0].job


def test_a_strategy_without_a_quiet_step_has_whole_steps_alone() -> None:
    times = _timed(quiet=False)[0]
    assert "quiet of a pair" not in times.own
    assert "step of a pair" not in times.own
    assert len(times.job["step"]) == 6


def test_the_parts_add_up_on_a_machine_that_becomes_faster() -> None:
    """Steps become 1% shorter each: whatever is compared was measured at the same time."""

    def rank(number: int, agreement: ThreadedAgreement) -> RankTimes:
        device, made = FakeDevice(asynchronous=False), [0]

        def work(seconds: float) -> Callable[[], None]:
            def step() -> None:
                made[0] += 1
                device.launch(0.0, seconds * 0.99 ** made[0])

            return step

        steps = dataclasses.replace(
            _steps(device, number), step=work(STEP), without_communication=work(COMPUTE[number])
        )
        return time_rank(steps, device, agreement, structs.replace(PROTOCOL, min_samples=12, max_samples=12))

    parts = parts_of(
        [
            RankSeconds(
                step=times.own["step"],
                pair_step=times.own["step of a pair"],
                pair_quiet=times.own["quiet of a pair"],
            )
            for times in in_ranks(len(COMPUTE), rank)
        ]
    )
    assert parts is not None
    assert abs(parts.gap) < 0.02


def test_a_few_steps_are_rounds_enough_only_for_an_interval() -> None:
    """And are warmed up by three at least: in the second one messages are sorted anew."""

    def rank(number: int, agreement: ThreadedAgreement) -> RankTimes:
        device = FakeDevice(asynchronous=False)
        protocol = MeasurementProtocol(
            min_samples=20, fewest_samples=3, warmup_steps=1, warmup_seconds=0.0, warmup_limit_seconds=0.0
        )
        return time_rank(
            _steps(device, number), device, agreement, structs.replace(protocol, sampling_seconds=0.1)
        )

    first, _ = in_ranks(2, rank)
    assert len(first.own["step"]) == 6
    assert first.warmup_steps == 3


def test_rank_0_decides_when_steps_are_enough() -> None:
    """Its rule sees the slowest rank: steady steps stop at the target, and every rank stops with them."""

    def rank(number: int, agreement: ThreadedAgreement) -> RankTimes:
        device = FakeDevice(asynchronous=False)
        protocol = MeasurementProtocol(min_samples=6, warmup_steps=1, warmup_seconds=0.0)
        return time_rank(_steps(device, number), device, agreement, protocol)

    ranks = in_ranks(2, rank)
    assert ranks[0].stopped["step"] == "target"
    assert [len(times.own["step"]) for times in ranks] == [6, 6]


def test_the_others_are_released_when_rank_0_fails() -> None:
    """An error at rank 0 is its own; nobody waits for it for ever."""

    def rank(number: int, agreement: ThreadedAgreement) -> str:
        device = FakeDevice(asynchronous=False)
        steps = _steps(device, number)
        if number == 0:
            device.clock = lambda: 1 / 0  # type: ignore[method-assign]
        try:
            time_rank(steps, device, agreement, PROTOCOL)
        except ZeroDivisionError:
            return "failed"
        return "released"

    assert in_ranks(2, rank) == ["failed", "released"]
