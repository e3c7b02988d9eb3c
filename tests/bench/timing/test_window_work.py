"""What is read of a GPU while it works on after a window's last sample, and what only at rest."""

from __future__ import annotations

import itertools

import pytest

from bench.contracts.monitor import Monitors
from bench.contracts.steps import Steps
from bench.devices.fake import FakeDevice
from bench.host.gpu_clocks import ClockMonitor
from bench.host.nvml import POWER_CAP, THERMAL
from bench.schema.case import MeasurementProtocol
from bench.timing import latency, windows
from bench.timing.sampling import Samples
from bench.timing.timers import WallTimer
from bench.timing.window_work import StepsAsWork
from tests.planted.fake_nvml import FakeGpu, FakeNvml
from tests.planted.planted_steps import MS, planted

UUID = "11111111-aaaa"
PROTOCOL = MeasurementProtocol(warmup_seconds=0.1, sampling_seconds=5.0)
COSTS = ((1 * MS, 5 * MS), (1 * MS, 10 * MS), (1 * MS, 2 * MS))
IDLE, POWER_CAPPED = 0x01, 0x04


class BusyGpu(FakeGpu):
    """A board that draws 600 W and runs into its power limit while the device is at work, and only then; its
    driver takes `answer_seconds` for the power, and counts no time under the limit."""

    def __init__(self, device: FakeDevice, answer_seconds: float = 1 * MS) -> None:
        def is_busy() -> bool:
            return not device.done(device.record())

        def power() -> float:
            device.now += answer_seconds
            return 600.0 if is_busy() else 100.0

        super().__init__(
            power=power,
            sm_clock=lambda: 1700 if is_busy() else 345,
            memory_clock=lambda: 2619 if is_busy() else 1593,
            bits=lambda: POWER_CAPPED if is_busy() else IDLE,
        )


def figure(found: latency.Latency, metric: str, phase: str = "window") -> list[float]:
    (values,) = [m.samples for m in found.measurements if (m.phase, m.metric) == (phase, metric)]
    return values


def timed_with(gpu: FakeGpu, device: FakeDevice, steps: Steps) -> latency.Latency:
    monitor = Monitors([ClockMonitor(lambda: FakeNvml((gpu,)), UUID, device.clock)])
    return latency.time_steps(steps, device, PROTOCOL, monitor)


@pytest.mark.parametrize("step_seconds", [20e-6, 17 * MS, 0.4])
def test_clocks_and_power_are_read_while_the_gpu_works(step_seconds: float) -> None:
    """Whether fifty milliseconds are a part of a step or thousands of steps."""
    device = FakeDevice()
    steps = planted(device, ((step_seconds / 10, step_seconds),))
    found = timed_with(BusyGpu(device, answer_seconds=0.1 * MS), device, steps)
    assert figure(found, "power") == [600.0] * 3
    assert figure(found, "sm_clock") == [1700.0] * 3
    assert figure(found, "memory_clock") == [2619.0] * 3
    assert not {m.metric for m in found.measurements if "rest" in m.metric}


def test_a_power_cap_that_no_counter_shows_is_seen_in_the_reasons_at_work() -> None:
    device = FakeDevice()
    found = timed_with(BusyGpu(device), device, planted(device, COSTS))
    assert figure(found, "software_power_cap_share") == [0.0] * 3
    assert figure(found, "power_cap_at_work") == [1.0] * 3
    assert [warning.label for warning in found.warnings] == ["power-cap"]


def test_a_part_of_the_readings_at_work_may_be_capped() -> None:
    device = FakeDevice()
    gpu = BusyGpu(device)
    bits = itertools.cycle([0, 0, 0, POWER_CAPPED])
    gpu.bits = lambda: next(bits) if not device.done(device.record()) else IDLE
    found = timed_with(gpu, device, planted(device, COSTS))
    assert figure(found, "power_cap_at_work") == [0.25] * 3
    assert "power-cap" in {warning.label for warning in found.warnings}


def test_the_work_that_is_read_beside_is_in_no_sample() -> None:
    """Samples are those of a run that nobody watches."""
    alone, watched = FakeDevice(), FakeDevice()
    plain = latency.time_steps(planted(alone, COSTS), alone, PROTOCOL)
    gpu = BusyGpu(watched)
    found = timed_with(gpu, watched, planted(watched, COSTS))
    for metric in ("device_time", "wall_time", "host_time"):
        assert figure(found, metric, "step") == pytest.approx(figure(plain, metric, "step"))


def test_a_slowdown_in_that_work_is_not_the_windows() -> None:
    device = FakeDevice()
    spent: list[float] = []
    gpu = FakeGpu(held=lambda: {POWER_CAP: 0, THERMAL: int(1e9 * sum(spent))})

    class Slowing(StepsAsWork):
        def begin(self) -> None:
            super().begin()
            spent.append(5.0)

    monitor = ClockMonitor(lambda: FakeNvml((gpu,)), UUID, device.clock)
    steps = planted(device, COSTS)
    used, others = windows.take(
        lambda: Samples(([WallTimer(device).time((steps.step,), steps.setup, 50)[0]],), "target"),
        steps.why_invalid,
        monitor,
        device.clock,
        1e9,
        Slowing(steps, device),
    )
    assert spent == [5.0]
    assert (used.fault, others) == (None, [])


def test_what_can_only_be_read_at_rest_is_named_so() -> None:
    """A step that waits for the device inside leaves nothing behind it, and a driver may be slower than the
    work is long."""
    for waits, answer_seconds in ((True, 1 * MS), (False, 1.0)):
        device = FakeDevice()
        steps = planted(device, COSTS, synchronises=waits)
        found = timed_with(BusyGpu(device, answer_seconds), device, steps)
        assert figure(found, "power_at_rest") == [100.0] * 3
        assert figure(found, "sm_clock_at_rest") == [345.0] * 3
        assert figure(found, "temperature") == [61.0] * 3
        assert not {m.metric for m in found.measurements} & {"power", "sm_clock", "power_cap_at_work"}
        details = [warning.detail for warning in found.warnings if warning.label == "read-at-rest"]
        assert details == [
            "clocks and power were read after the work, when they may have fallen "
            "(device_time, wall_time, host_time)"
        ]


def test_a_case_of_long_steps_pays_for_one_step_a_window_and_one_more() -> None:
    device, alone = FakeDevice(), FakeDevice()
    latency.time_steps(planted(alone, ((1 * MS, 0.5),)), alone, PROTOCOL)
    timed_with(FakeGpu(), device, planted(device, ((1 * MS, 0.5),)))
    assert device.now - alone.now == pytest.approx((1 + 3) * 0.501, rel=0.01)


def test_the_workloads_fault_in_that_work_is_not_the_next_windows() -> None:
    device = FakeDevice()
    faults: list[str] = []
    steps = planted(device, COSTS, check=lambda: faults.pop() if faults else None)
    work = StepsAsWork(steps, device)
    work.begin()
    faults.append("a step was skipped")
    work.end()
    assert steps.why_invalid() is None
    assert device.done(device.record())
