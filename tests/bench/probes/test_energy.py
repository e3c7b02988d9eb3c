"""A step's energy with planted watts, on a device and a counter whose time is simulated: nothing waits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from bench import devices
from bench.child import worker
from bench.contracts.energy_source import BEFORE_SECONDS, EnergySource
from bench.contracts.monitor import NO_MONITOR, Monitor
from bench.contracts.steps import Steps
from bench.devices.cpu import Cpu
from bench.devices.fake import FakeDevice
from bench.host import environment
from bench.host.gpu_clocks import ClockMonitor
from bench.host.nvml import POWER_CAP, THERMAL
from bench.host.nvml_energy import EnergyCounter
from bench.host.rapl import NO_POWER
from bench.probes.energy import NOT_ASKED, PHASE, STANDS_STILL, UNSEEN_PERIOD, EnergyMeter
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import Job
from bench.schema.record import Measurement
from bench.timing.timers import WallTimer
from tests.planted.fake_nvml import FakeGpu, FakeNvml, no_driver
from tests.planted.planted_steps import MS, planted

UUID = "11111111-aaaa"
IDLE, BUSY = 100.0, 400.0
"""Watts of the planted board: with nothing to do, and while it works."""
SENSOR = 0.1
"""Seconds between two moves of its reading of the power."""
SECONDS, TICK = 2.0, 0.13
"""Of a window, which is no multiple of a tick: one that did not wait for ticks is wrong by 2.5% or by 4%."""
EXACT = 1.5e-3
"""A tick's time is known to a millisecond of these two seconds."""


class Metered(FakeDevice):
    """Its counter moves only every `tick` seconds, counted from `offset`."""

    def __init__(self, asynchronous: bool = True, tick: float = TICK, offset: float = 0.0) -> None:
        super().__init__(asynchronous)
        self._tick, self._offset = tick, offset
        self._work: list[tuple[float, float]] = []

    def launch(self, host_seconds: float, device_seconds: float) -> None:
        super().launch(host_seconds, device_seconds)
        self._work.append((self._done - device_seconds, self._done))

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def joules(self) -> float:
        ticks = math.floor((self.now - self._offset) / self._tick + 1e-6)
        at = ticks * self._tick + self._offset
        worked = sum(max(0.0, min(end, at) - start) for start, end in self._work)
        return 1000.0 + IDLE * at + (BUSY - IDLE) * worked


class Planted:
    """A source that says what a test wants."""

    def __init__(self, joules: Callable[[], float | None], why_absent: str | None = None) -> None:
        self.joules = joules
        self.why_absent = why_absent
        self.why_no_power: str | None = NO_POWER

    def watts(self) -> float | None:
        return None


def sensor(device: Metered, watts: float = BUSY, period: float = SENSOR) -> Callable[[], float]:
    """The power of a sensor that moves only every `period` seconds, by a milliwatt."""
    return lambda: watts + 1e-3 * (math.floor(device.now / period) % 2)


def counter(device: Metered, **readings: Any) -> EnergyCounter:
    gpu = FakeGpu(**{"energy": device.joules, "power": sensor(device), **readings})
    return EnergyCounter(lambda: FakeNvml((gpu,)), UUID)


def metered(
    device: Metered,
    source: EnergySource,
    *,
    steps: Steps | None = None,
    seconds: float = SECONDS,
    monitor: Monitor = NO_MONITOR,
) -> tuple[dict[str, float], EnergyMeter, list[Measurement]]:
    """The step's figures by name, the meter, and what belongs to the window."""
    meter = EnergyMeter(source, monitor, device.sleep)
    found = meter.measure(steps or planted(device, ((1 * MS, 5 * MS),)), device, seconds)
    figures = {m.metric: m.samples[0] for m in found if m.phase == "step"}
    return figures, meter, [m for m in found if m.phase != "step"]


def test_an_unaligned_window_would_be_wrong_here() -> None:
    """What the tests below would see of a window that begins and ends at any moment."""
    for begin in (0.5, 0.53, 0.59, 0.64):
        device = Metered()
        device.launch(0.0, 10.0)
        device.sleep(begin)
        before = device.joules()
        device.sleep(SECONDS)
        watts = (device.joules() - before) / SECONDS
        assert abs(watts / BUSY - 1) > 10 * EXACT


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0.0, 0.03, 0.055, 0.099])
@pytest.mark.parametrize("step", [0.5 * MS, 5 * MS, 37 * MS, 130 * MS])
def test_the_energy_of_a_step_is_the_planted_power_above_idle_times_its_duration(
    step: float, offset: float
) -> None:
    """Steps of less than a round and of more than a tick; ticks that fall anywhere in them."""
    device = Metered(offset=offset)
    steps = planted(device, ((step / 100, step / 2), (step / 100, step / 2)))
    figures, meter, _ = metered(device, counter(device), steps=steps)
    assert figures["energy"] == pytest.approx((BUSY - IDLE) * step, rel=EXACT)
    assert figures["energy_total"] == pytest.approx(BUSY * step, rel=EXACT)
    assert figures["idle_power"] == pytest.approx(IDLE, rel=EXACT)
    assert figures["average_power"] == pytest.approx(BUSY, rel=EXACT), "the device paused in the window"
    assert SECONDS <= figures["energy_window"] < SECONDS + 0.2
    assert figures["energy_steps"] == pytest.approx(figures["energy_window"] / step, abs=1 + 10 * MS / step)
    assert (meter.absent, meter.labels) == ({}, [])


def test_a_step_that_the_host_holds_up_pays_for_its_pauses_as_idle() -> None:
    """Two milliseconds of Python for one of work: above idle only the work counts."""
    device = Metered()
    figures, _, _ = metered(device, counter(device), steps=planted(device, ((2 * MS, 1 * MS),)), seconds=10)
    assert figures["energy"] == pytest.approx((BUSY - IDLE) * 1 * MS, rel=0.01)
    assert figures["energy_total"] == pytest.approx(BUSY * 1 * MS + IDLE * 1 * MS, rel=0.01)


def test_a_few_steps_that_are_longer_than_the_window_are_waited_for() -> None:
    device = Metered()
    figures, _, _ = metered(device, counter(device), steps=planted(device, ((0.0, 1.3),)), seconds=1.0)
    assert figures["energy_steps"] >= 3
    assert figures["energy"] == pytest.approx((BUSY - IDLE) * 1.3, rel=EXACT)


def test_a_processor_with_a_counter_of_milliseconds() -> None:
    device = Metered(asynchronous=False, tick=1 * MS)
    figures, meter, _ = metered(device, Planted(device.joules), steps=planted(device, ((0.0, 30 * MS),)))
    assert figures["energy"] == pytest.approx((BUSY - IDLE) * 30 * MS, rel=EXACT)
    assert figures["idle_power"] == pytest.approx(IDLE, rel=EXACT)
    assert meter.absent == {"peak_power": NO_POWER}
    assert "peak_power" not in figures


def test_the_peak_is_that_of_the_window_and_asking_for_it_costs_the_device_nothing() -> None:
    device = Metered()
    asked: list[float] = []

    def power() -> float:
        asked.append(device.now)
        device.sleep(2 * MS)  # the driver takes its time
        return 900.0 if device.now < BEFORE_SECONDS else 650.0 if 5.0 < device.now < 5.2 else BUSY

    figures, _, _ = metered(device, counter(device, power=power))
    assert figures["peak_power"] == 650.0
    assert figures["average_power"] == pytest.approx(BUSY, rel=EXACT)
    assert figures["energy"] == pytest.approx((BUSY - IDLE) * 5 * MS, rel=EXACT)
    in_window = [at for at in asked if at > BEFORE_SECONDS + 0.2]
    gaps = [later - earlier for earlier, later in itertools.pairwise(in_window)]
    assert min(gaps) >= 100 * 2 * MS, "more than 1% of the window went into questions"


def test_a_quick_driver_is_asked_once_a_round() -> None:
    device = Metered()
    asked: list[float] = []

    def power() -> float:
        asked.append(device.now)
        return BUSY

    metered(device, counter(device, power=power))
    in_window = [at for at in asked if at > BEFORE_SECONDS + 0.2]
    assert len(in_window) > SECONDS / 10e-3
    assert min(later - earlier for earlier, later in itertools.pairwise(in_window)) >= 5 * MS


@pytest.mark.parametrize("offset", [0.0, 0.055])
def test_the_counter_and_the_power_agree_on_the_joules(offset: float) -> None:
    device = Metered(offset=offset)
    figures, meter, _ = metered(device, counter(device))
    assert figures["sampled_power"] == pytest.approx(BUSY, rel=EXACT)
    assert figures["sampled_power"] == pytest.approx(figures["average_power"], rel=2 * EXACT)
    assert meter.labels == []


@pytest.mark.parametrize(("watts", "labelled"), [(320.0, True), (480.0, True), (370.0, False), (0.0, True)])
def test_power_that_is_more_than_a_tenth_from_the_counter_is_labelled(watts: float, labelled: bool) -> None:
    device = Metered()
    figures, meter, _ = metered(device, counter(device, power=sensor(device, watts)))
    assert figures["sampled_power"] == pytest.approx(watts, abs=1e-3)
    words = f"the energy counter gives 400 W, power readings give {watts:.0f} W"
    assert meter.labels == ([CaseWarning("energy-mismatch", words)] if labelled else [])
    assert figures["energy_total"] == pytest.approx(BUSY * 5 * MS, rel=EXACT), "the counter's stays"


def test_power_is_integrated_over_time_and_not_over_readings() -> None:
    """A driver that takes long to answer while the power is high is asked less often then."""
    device = Metered()

    def power() -> float:
        high = device.now > BEFORE_SECONDS + 1.1
        device.sleep(2 * MS if high else 0.0)
        return 600.0 if high else 200.0

    figures, _, _ = metered(device, counter(device, power=power))
    assert figures["sampled_power"] == pytest.approx(400.0, rel=0.1)


@pytest.mark.parametrize("period", [0.02, 0.1])
@pytest.mark.parametrize("tick", [0.05, 0.13])
def test_the_periods_of_the_sensor_and_of_the_counter_are_measured(period: float, tick: float) -> None:
    device = Metered(tick=tick)
    figures, meter, _ = metered(device, counter(device, power=sensor(device, period=period)))
    assert figures["power_sensor_period"] == pytest.approx(period, abs=2 * MS)
    assert figures["energy_tick_period"] == pytest.approx(tick, abs=2 * MS)
    assert meter.absent == {}


def test_a_power_that_never_moves_or_always_has_no_period() -> None:
    for power in (lambda: BUSY, itertools.count(400).__next__):
        device = Metered()
        figures, meter, _ = metered(device, counter(device, power=power))
        assert "power_sensor_period" not in figures
        assert meter.absent == {"power_sensor_period": UNSEEN_PERIOD}


def test_power_that_cannot_be_read_has_its_reason_and_energy_is_there() -> None:
    device = Metered()
    figures, meter, _ = metered(device, counter(device, power="Not Supported"))
    assert meter.absent == {"peak_power": "Not Supported"}
    assert not {"sampled_power", "power_sensor_period"} & figures.keys()
    assert {"energy", "energy_total", "idle_power", "average_power"} <= figures.keys()


def test_a_throttled_window_is_labelled_and_shows_its_clocks() -> None:
    device = Metered()
    gpu = FakeGpu(
        sm_clock=1200,
        energy=device.joules,
        held=lambda: {POWER_CAP: 0, THERMAL: int(device.now * 0.25 * 1e9)},
    )
    nvml = FakeNvml((gpu,))
    figures, meter, seen = metered(
        device,
        EnergyCounter(lambda: nvml, UUID),
        monitor=ClockMonitor(lambda: nvml, UUID, clock=device.clock),
    )
    assert meter.labels == [CaseWarning("slowdown", "the GPU lowered its clocks (thermal slowdown) (energy)")]
    shown = {m.metric: m.samples for m in seen}
    assert {m.phase for m in seen} == {PHASE}
    assert shown["sm_clock"] == [1200.0]
    assert shown["memory_clock"] == [2619.0]
    assert shown["temperature"] == [61.0]
    assert shown["thermal_slowdown_share"] == pytest.approx([0.25], rel=1e-3)
    assert "energy" in figures


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (lambda: EnergyCounter(no_driver, UUID), "NVML Shared Library Not Found"),
        (lambda: EnergyCounter(lambda: FakeNvml((FakeGpu(energy="Not Supported"),)), UUID), "Not Supported"),
        (
            lambda: EnergyCounter(lambda: FakeNvml((FakeGpu(energy="Insufficient Permissions"),)), UUID),
            "Insufficient Permissions",
        ),
        (
            lambda: EnergyCounter(lambda: FakeNvml((FakeGpu(mig=True),)), UUID),
            "under MIG the counter is that of the whole board",
        ),
        (lambda: Planted(lambda: None, "no RAPL"), "no RAPL"),
    ],
)
def test_what_cannot_be_read_is_told_and_not_waited_for(
    source: Callable[[], EnergySource], reason: str
) -> None:
    device = Metered()
    figures, meter, seen = metered(device, source())
    assert (figures, seen, meter.absent) == ({}, [], {"energy": reason})
    assert device.now == 0.0, "it slept, or ran steps"


def test_what_is_not_asked_for_says_so() -> None:
    device = Metered()
    figures, meter, _ = metered(device, counter(device), seconds=0)
    assert (figures, meter.absent, device.now) == ({}, {"energy": NOT_ASKED}, 0.0)


@pytest.mark.parametrize(
    ("after", "kept"), [(1.5, set()), (BEFORE_SECONDS + 1.0, {"idle_power"})], ids=["idle", "at work"]
)
@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        ("GPU is lost", "GPU is lost"),
        (3.0, "the energy counter went back: the driver was loaded again"),
    ],
)
def test_a_counter_lost_half_way_keeps_what_was_measured_before(
    after: float, kept: set[str], reading: float | str, reason: str
) -> None:
    device = Metered()
    source = counter(device, energy=lambda: reading if device.now > after else device.joules())
    figures, meter, _ = metered(device, source)
    assert figures.keys() == kept
    assert meter.absent == {"energy": reason}


def test_a_counter_that_stands_still_is_not_waited_for_for_ever() -> None:
    device = Metered()
    figures, meter, _ = metered(device, counter(device, energy=5.0))
    assert (figures, meter.absent) == ({}, {"energy": STANDS_STILL})
    assert device.now < 10


def test_a_window_that_the_workload_refuses_gives_no_energy() -> None:
    device = Metered()
    steps = planted(device, ((0.0, 5 * MS),), check=lambda: "steps were skipped")
    figures, meter, _ = metered(device, counter(device), steps=steps)
    assert figures.keys() == {"idle_power"}
    assert meter.absent == {"energy": "steps were skipped"}


def test_the_record_says_why_there_is_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cpu, "energy_source", lambda device: Planted(lambda: None, "no RAPL here"))
    case = Case(model="lenet5", image=28, channels=1, classes=10)
    protocol = MeasurementProtocol(
        warmup_seconds=0.001, warmup_limit_seconds=0.1, max_samples=20, sampling_seconds=0.1
    )
    record, _ = worker.run(
        Job(case=case, protocol=protocol, environment=environment.describe()), devices.get("cpu")
    )
    assert record.absent["energy"] == "no RAPL here"
    assert record.status == "ok"
    assert not [m for m in record.measurements if "energy" in (m.metric, m.phase)]


@pytest.mark.cuda
def test_a_real_gpu_takes_more_at_work_than_idle_and_its_steps_take_their_time() -> None:
    device = devices.get("cuda")
    source = device.energy_source()
    if source.joules() is None:
        pytest.skip(source.why_absent or "no energy")
    matrix = torch.randn(4096, 4096, device=device.torch_name())
    product = torch.empty_like(matrix)

    def step() -> None:
        torch.mm(matrix, matrix, out=product)

    steps = replace(planted(FakeDevice(), ((0.0, 0.0),)), step=step)
    found = EnergyMeter(source, NO_MONITOR).measure(steps, device, 3.0)
    figures = {m.metric: m.samples[0] for m in found}
    assert figures["idle_power"] < figures["average_power"] < 1.2 * figures["peak_power"]
    assert 0 < figures["energy"] < figures["energy_total"]
    (seconds,) = WallTimer(device).time((steps.step,), steps.setup, 200)
    assert figures["energy_total"] / figures["average_power"] == pytest.approx(seconds, rel=0.05)
