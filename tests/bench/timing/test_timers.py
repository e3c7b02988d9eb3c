"""Device, wall and host time recover planted seconds, and the same assertions catch a timer that is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.devices.fake import FakeDevice
from bench.timing.timers import DeviceTimer, HostTimer, Shield, WallTimer, shield_for, spin
from tests.planted.fake_cuda import FakeCuda
from tests.planted.planted_steps import MS, launches, nothing

HOST_HEAVY, DEVICE_HEAVY = (3 * MS, 1 * MS), (1 * MS, 3 * MS)
SHIELD = Shield(spin_seconds=20 * MS)


class Hasty(FakeDevice):
    """A device for a timer that forgets to wait: `synchronise` does nothing."""

    def synchronise(self) -> None:
        return None


@pytest.mark.parametrize("cost", [HOST_HEAVY, DEVICE_HEAVY])
@pytest.mark.parametrize("repeats", [1, 7])
def test_device_time_is_the_devices_alone_although_the_host_is_slower(
    cost: tuple[float, float], repeats: int
) -> None:
    device = FakeDevice()
    timer = DeviceTimer(device, SHIELD)
    assert timer.time([launches(device, *cost)], nothing, repeats) == pytest.approx((cost[1],))


def test_device_time_of_each_phase_is_its_own() -> None:
    device = FakeDevice()
    costs = [(3 * MS, 1 * MS), (1 * MS, 4 * MS), (2 * MS, 0.5 * MS)]
    calls = [launches(device, *cost) for cost in costs]
    assert DeviceTimer(device, SHIELD).time(calls, nothing, 3) == pytest.approx((1 * MS, 4 * MS, 0.5 * MS))


def test_without_the_shield_the_launch_gap_is_inside() -> None:
    """What the shield is for: a device that waits 3 ms for its launch has worked 1 ms."""
    device = FakeDevice()
    timer = DeviceTimer(device, Shield())
    assert timer.time([launches(device, *HOST_HEAVY)], nothing, 1) == pytest.approx((4 * MS,))


def test_a_shield_shorter_than_the_launch_leaves_the_rest_of_the_gap() -> None:
    device = FakeDevice()
    assert DeviceTimer(device, Shield(spin_seconds=2 * MS)).time(
        [launches(device, *HOST_HEAVY)], nothing, 1
    ) == pytest.approx((2 * MS,))


def test_the_shield_covers_all_repeats_of_a_batch() -> None:
    """Ten repeats of 1 ms of host work need ten times the shield of one."""
    device = FakeDevice()
    call = launches(device, 1 * MS, 0.01 * MS)
    assert DeviceTimer(device, Shield(spin_seconds=1.5 * MS)).time([call], nothing, 10) == pytest.approx(
        (0.01 * MS,)
    )


@pytest.mark.parametrize(("host", "busy"), [HOST_HEAVY, DEVICE_HEAVY, (2 * MS, 2 * MS)])
def test_wall_time_of_many_steps_is_the_slower_side(host: float, busy: float) -> None:
    """N steps: the slower side N times, and the faster one once, before or after."""
    device = FakeDevice()
    steps = 1000
    (wall,) = WallTimer(device).time([launches(device, host, busy)], nothing, steps)
    assert wall == pytest.approx((steps * max(host, busy) + min(host, busy)) / steps)
    assert wall == pytest.approx(max(host, busy), rel=0.002)


def test_wall_time_of_one_step_waits_for_the_device() -> None:
    device = FakeDevice()
    (wall,) = WallTimer(device).time([launches(device, 1 * MS, 3 * MS)], nothing, 1)
    assert wall == pytest.approx(4 * MS)


def test_wall_time_of_each_phase_waits_for_it() -> None:
    device = FakeDevice()
    calls = [launches(device, 1 * MS, 3 * MS), launches(device, 2 * MS, 1 * MS)]
    assert WallTimer(device).time(calls, nothing, 5) == pytest.approx((4 * MS, 3 * MS))


def test_wall_time_of_a_device_that_is_not_asynchronous_is_all_of_the_call() -> None:
    device = FakeDevice(asynchronous=False)
    assert WallTimer(device).time([launches(device, 1 * MS, 3 * MS)], nothing, 4) == pytest.approx((4 * MS,))


def test_host_time_is_the_hosts_alone() -> None:
    device = FakeDevice()
    calls = [launches(device, 1 * MS, 30 * MS), launches(device, 2 * MS, 10 * MS)]
    assert HostTimer(device).time(calls, nothing, 4) == pytest.approx((1 * MS, 2 * MS))


def test_host_time_starts_from_an_empty_queue() -> None:
    """A full queue would make the host wait for the device inside a call."""
    device = FakeDevice()
    waiting: list[bool] = []

    def call() -> None:
        waiting.append(not device.done(device.record()))
        device.launch(1 * MS, 30 * MS)

    HostTimer(device).time([call], call, 3)
    assert waiting[1::2] == [False] * 3


def wall_is_right(device: FakeDevice) -> None:
    (wall,) = WallTimer(device).time([launches(device, *DEVICE_HEAVY)], nothing, 100)
    assert wall == pytest.approx(3 * MS, rel=0.02)


def device_is_right(device: FakeDevice) -> None:
    (busy,) = DeviceTimer(device, SHIELD).time([launches(device, *DEVICE_HEAVY)], nothing, 1)
    assert busy == pytest.approx(3 * MS)


@pytest.mark.parametrize(
    ("judge", "caught"), [(wall_is_right, AssertionError), (device_is_right, RuntimeError)]
)
def test_a_timer_that_forgets_to_synchronise_is_caught(
    judge: Callable[[FakeDevice], None], caught: type[Exception]
) -> None:
    judge(FakeDevice())
    with pytest.raises(caught):
        judge(Hasty())


@pytest.mark.parametrize("phases", [1, 2])
def test_what_runs_before_a_step_is_not_timed(phases: int) -> None:
    """50 ms of preparation on the host and on the device, ahead of every round."""
    for measure in (
        lambda device: WallTimer(device),
        lambda device: DeviceTimer(device, SHIELD),
        lambda device: HostTimer(device),
    ):
        with_, without = FakeDevice(), FakeDevice()
        calls = [launches(with_, *DEVICE_HEAVY)] * phases
        plain = [launches(without, *DEVICE_HEAVY)] * phases
        before = launches(with_, 50 * MS, 50 * MS)
        assert measure(with_).time(calls, before, 1) == pytest.approx(
            measure(without).time(plain, nothing, 1)
        )


@pytest.mark.parametrize(("where", "expected"), [("device", 8 * MS), ("host", 3 * MS)])
def test_a_planted_sleep_is_in_device_time_only_on_the_device(where: str, expected: float) -> None:
    """5 ms inside the call; the host's are hidden by the shield, the device's stand between the events."""
    device = FakeDevice()

    def call() -> None:
        if where == "device":
            device.occupy(5 * MS)
        else:
            device.now += 5 * MS
        device.launch(1 * MS, 3 * MS)

    assert DeviceTimer(device, SHIELD).time([call], nothing, 1) == pytest.approx((expected,))
    (wall,) = WallTimer(device).time([call], nothing, 1)
    assert wall == pytest.approx(9 * MS if where == "host" else 8 * MS)


def test_a_sleep_outside_the_events_is_in_wall_time_only() -> None:
    device = FakeDevice()
    steps = 4

    def before() -> None:
        device.now += 5 * MS

    call = launches(device, 1 * MS, 3 * MS)
    assert DeviceTimer(device, SHIELD).time([call], before, 1) == pytest.approx((3 * MS,))
    start = device.clock()
    WallTimer(device).time([call, call], before, steps)
    assert device.clock() - start == pytest.approx(steps * (5 + 2 * 4) * MS)


def test_a_shield_of_work_leaves_the_chip_as_warm_as_a_row_of_steps() -> None:
    """A chip that is 2% faster after a spin or a rest: only behind its own work does a step take its time."""
    device = FakeCuda(cool_speed=1.02)
    step = launches(device, 3 * MS, 12 * MS)
    assert DeviceTimer(device, spin(3 * MS)).time([step], nothing, 1)[0] < 11.95 * MS
    assert DeviceTimer(device, shield_for(3 * MS, 12 * MS)).time([step], nothing, 1) == pytest.approx(
        (12 * MS,)
    )


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.51, 0.7, 0.89])
def test_work_ahead_lasts_until_the_host_has_enqueued_the_measured_round(share: float) -> None:
    """A round whose work all comes at its end must not wait for the host, whatever share of it that takes."""
    device = FakeDevice()
    host, busy = share * 10 * MS, 10 * MS
    phases = [launches(device, host, 0.0), launches(device, 0.0, busy)]
    shield = shield_for(host, busy)
    assert shield.spin_seconds == 0
    assert DeviceTimer(device, shield).time(phases, nothing, 2) == pytest.approx((0.0, busy))
    assert shield.rounds == 1 or share > 0.5


@pytest.mark.parametrize("share", [0.9, 1.0, 8.0])
def test_a_launch_bound_step_is_shielded_by_a_spin(share: float) -> None:
    """No number of such steps would let the host get ahead."""
    assert shield_for(share * 10 * MS, 10 * MS) == spin(share * 10 * MS)


def test_a_graph_that_costs_the_host_next_to_nothing_is_shielded_by_a_spin() -> None:
    """No second replay then, and the chip does not cool in a hundredth of the time that it works."""
    device = FakeCuda(cool_speed=1.02)
    replay = launches(device, 0.05 * MS, 12 * MS)
    shield = shield_for(0.05 * MS, 12 * MS)
    assert shield == spin(0.05 * MS)
    timer = DeviceTimer(device, shield)
    timer.time([replay], nothing, 1)
    assert timer.time([replay], nothing, 1) == pytest.approx((12 * MS,), rel=1e-3)


def test_what_works_ahead_is_prepared_as_each_step_is() -> None:
    device = FakeDevice()
    done: list[str] = []
    timer = DeviceTimer(device, Shield(rounds=2))
    timer.time([lambda: done.append("step")], lambda: done.append("before"), 1)
    assert done == ["before", "step"] * 3
