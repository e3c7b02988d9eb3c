"""The whole measuring of latency on a device with planted durations: figures, tags, and what voids them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from bench.contracts.steps import Steps
from bench.devices.fake import FakeDevice
from bench.schema.case import MeasurementProtocol
from bench.schema.phases import Phase
from bench.timing import latency
from bench.timing.latency import Latency, additivity
from tests.planted.fake_cuda import FakeCuda
from tests.planted.planted_steps import MS, PHASES, launches, nothing, planted

PROTOCOL = MeasurementProtocol(warmup_seconds=0.1, sampling_seconds=5.0)
COSTS = ((1 * MS, 5 * MS), (1 * MS, 10 * MS), (1 * MS, 2 * MS))


def median(found: Latency, phase: Phase, metric: str) -> float:
    (values,) = [m.samples for m in found.measurements if (m.phase, m.metric) == (phase, metric)]
    return statistics.median(values)


def labels(found: Latency) -> list[str]:
    return [warning.label for warning in found.warnings]


def test_every_phase_and_the_step_with_every_timer() -> None:
    device = FakeDevice()
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL)
    device_times = [median(found, phase, "device_time") for phase in (*PHASES, "step")]
    assert device_times == pytest.approx([5 * MS, 10 * MS, 2 * MS, 17 * MS])
    host_times = [median(found, phase, "host_time") for phase in (*PHASES, "step")]
    assert host_times == pytest.approx([1 * MS, 1 * MS, 1 * MS, 3 * MS])
    assert median(found, "backward", "wall_time") == pytest.approx(11 * MS)
    assert median(found, "step", "wall_time") == pytest.approx((5 * 17 + 1) / 5 * MS)
    assert (found.warnings, found.invalid) == ([], None)
    timed = [m for m in found.measurements if m.unit == "s"]
    assert all(m.stopped == "target" and len(m.samples) == 20 for m in timed)


COLD = structs.replace(PROTOCOL, flush_l2=True)


@pytest.mark.parametrize("host", [0.1 * MS, 20 * MS], ids=["shielded by steps", "launch-bound"])
@pytest.mark.parametrize("busy", [12 * MS, 0.02 * MS], ids=["long", "short"])
def test_after_a_flush_every_clock_gives_the_cold_step_and_nothing_of_the_flush(
    host: float, busy: float
) -> None:
    """The planted step takes 1.3 times as long after a flush; the flush takes 7 ms."""
    device = FakeDevice()
    device.flush_seconds, device.cold_factor = 7 * MS, 1.3
    found = latency.time_steps(planted(device, ((host, busy),)), device, COLD)
    assert median(found, "step", "device_time") == pytest.approx(1.3 * busy)
    assert median(found, "step", "wall_time") == pytest.approx(host + 1.3 * busy)
    assert median(found, "step", "host_time") == pytest.approx(host)
    assert {m.repeats for m in found.measurements if m.unit == "s"} == {1}


def test_a_cold_step_begins_with_its_first_phase_and_is_the_sum_of_them() -> None:
    device = FakeDevice()
    device.flush_seconds, device.cold_factor = 7 * MS, 1.3
    found = latency.time_steps(planted(device, COSTS), device, COLD)
    times = [median(found, phase, "device_time") for phase in (*PHASES, "step")]
    assert times == pytest.approx([6.5 * MS, 10 * MS, 2 * MS, 18.5 * MS])
    assert found.warnings == []


def test_a_host_has_a_cold_cache_too() -> None:
    device = FakeDevice(asynchronous=False)
    device.flush_seconds, device.cold_factor = 7 * MS, 1.3
    found = latency.time_steps(planted(device, ((1 * MS, 10 * MS),)), device, COLD)
    assert median(found, "step", "wall_time") == pytest.approx(14 * MS)


def test_without_a_flush_caches_are_warm_whatever_cold_ones_cost() -> None:
    device = FakeDevice()
    device.cold_factor = 1.3
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL)
    assert median(found, "step", "device_time") == pytest.approx(17 * MS)


def test_a_device_that_is_not_asynchronous_has_wall_time_only() -> None:
    device = FakeDevice(asynchronous=False)
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL)
    assert {m.metric for m in found.measurements if m.unit == "s"} == {"wall_time"}
    assert median(found, "step", "wall_time") == pytest.approx(20 * MS)
    assert median(found, "forward", "wall_time") == pytest.approx(6 * MS)
    assert found.warnings == []


def test_short_steps_are_averaged_within_a_sample_and_the_record_says_so() -> None:
    device = FakeDevice()
    steps = planted(device, ((0.002 * MS, 0.003 * MS),) * 3)
    found = latency.time_steps(steps, device, PROTOCOL)
    repeats = {m.metric: m.repeats for m in found.measurements if m.phase == "step" and m.unit == "s"}
    assert repeats == {"device_time": 10, "wall_time": 1000, "host_time": 1}
    assert median(found, "step", "device_time") == pytest.approx(0.009 * MS)
    assert median(found, "step", "wall_time") == pytest.approx(0.009 * MS, rel=0.001)


def test_inference_has_one_phase() -> None:
    device = FakeDevice()
    call = launches(device, 1 * MS, 5 * MS)
    steps = Steps(nothing, call, "forward", (), False, lambda: None, list, dict)
    found = latency.time_steps(steps, device, PROTOCOL)
    assert {m.phase for m in found.measurements} == {"forward"}
    assert median(found, "forward", "device_time") == pytest.approx(5 * MS)


@pytest.mark.parametrize(("host", "tagged"), [(0.91, True), (0.89, False), (5.0, True), (0.1, False)])
def test_a_step_is_launch_bound_from_nine_tenths_of_its_device_time(host: float, tagged: bool) -> None:
    device = FakeDevice()
    found = latency.time_steps(planted(device, ((host * MS, 1 * MS),) * 3), device, PROTOCOL)
    assert median(found, "step", "device_time") == pytest.approx(3 * MS)
    assert ("launch-bound" in labels(found)) == tagged


@pytest.mark.parametrize(("busy", "tagged"), [(3.0, True), (100.0, False)])
def test_a_step_that_waits_inside_is_tagged_by_the_idle_share(busy: float, tagged: bool) -> None:
    """1 ms of host work ahead of each phase, and a wait before the last: 1 ms of idle time in a step, and
    once more ahead of the first of the five in a sample."""
    device = FakeDevice()
    steps = planted(device, ((1 * MS, busy * MS),) * 3, synchronises=True)
    found = latency.time_steps(steps, device, PROTOCOL)
    idle = 1.2 / (3 * busy + 1.2)
    assert median(found, "step", "device_idle_share") == pytest.approx(idle)
    assert ("launch-bound" in labels(found)) == tagged == (idle > 0.1)
    # No shield, for which the step would wait as well: the two gaps are inside, and the record says so.
    assert "unshielded" in labels(found)
    # The phases ahead of the wait have one, and the difference is no lack of additivity.
    assert median(found, "forward", "device_time") == pytest.approx(busy * MS)
    assert median(found, "backward", "device_time") == pytest.approx(busy * MS)
    assert "not-additive" not in labels(found)
    assert median(found, "step", "device_time") == pytest.approx((3 * busy + 2) * MS)
    # Host time holds the waiting there, and would tag every such step.
    assert median(found, "step", "host_time") > 0.6 * median(found, "step", "device_time")


@pytest.mark.parametrize(
    ("more", "scale", "passes"),
    [(0.009, 1.0, True), (0.011, 1.0, False), (-0.011, 1.0, False), (0.1, 0.01, True), (0.13, 0.01, False)],
)
@pytest.mark.parametrize("asynchronous", [True, False])
def test_phases_must_add_up_to_the_step(more: float, scale: float, passes: bool, asynchronous: bool) -> None:
    """Up to 1%, or 20 us where that is more; the step is planted to be longer by the share `more`."""
    device = FakeDevice(asynchronous)
    costs = tuple((0.0, busy * scale) for _, busy in COSTS)
    longer = tuple((host, busy * (1 + more)) for host, busy in costs)
    found = latency.time_steps(planted(device, costs, step_costs=longer), device, PROTOCOL)
    assert ("not-additive" in labels(found)) == (not passes)


def test_launches_that_hide_behind_the_device_are_no_lack_of_additivity() -> None:
    """Phase by phase the host's time is part of wall time, in the pipelined step it is not."""
    device = FakeDevice()
    found = latency.time_steps(planted(device, ((1 * MS, 2 * MS),) * 3), device, PROTOCOL)
    assert sum(median(found, phase, "wall_time") for phase in PHASES) == pytest.approx(9 * MS)
    assert median(found, "step", "wall_time") < 7 * MS
    assert "not-additive" not in labels(found)


def test_additivity_is_judged_round_by_round() -> None:
    """A machine that slows by a third in the middle slows the phases and the step alike."""
    steps = [1.0] * 10 + [1.5] * 11
    halves = [[0.5 * value for value in steps]] * 2
    assert additivity(halves, steps) is None
    assert additivity(halves, [1.02 * value for value in steps]) == (
        "phases sum to 0.98x the step: phase times are unreliable"
    )


def test_noise_around_zero_is_no_lack_of_additivity() -> None:
    """A median that lies 2% off by chance, with an interval of the median that holds zero."""
    steps = [1.0] * 21
    noise = [-0.3, -0.2, -0.1, -0.05] * 2 + [0.0, 0.0, 0.02] + [0.1, 0.2, 0.3, 0.4, 0.5] * 2
    assert statistics.median(noise) == 0.02
    assert additivity([[1.0 + value for value in noise]], steps) is None
    assert additivity([[1.3 + value / 10 for value in noise]], steps) is not None


def test_a_window_that_the_check_refuses_makes_the_case_invalid() -> None:
    answers = iter(["in the warm-up", None, "steps were skipped", None, None])
    device = FakeDevice()
    found = latency.time_steps(planted(device, COSTS, check=lambda: next(answers)), device, PROTOCOL)
    assert found.invalid == "steps were skipped"


def test_what_happened_in_the_warm_up_does_not_count() -> None:
    answers = iter(["in the warm-up", None, None, None])
    device = FakeDevice()
    found = latency.time_steps(planted(device, COSTS, check=lambda: next(answers)), device, PROTOCOL)
    assert found.invalid is None


class Unseen(FakeDevice):
    """A GPU whose kernels the profiler may not see."""

    def busy_seconds(self, call: Callable[[], None]) -> None:
        call()


def test_an_idle_share_that_nothing_can_tell_is_not_recorded() -> None:
    device = Unseen()
    found = latency.time_steps(planted(device, COSTS, synchronises=True), device, PROTOCOL)
    assert not [m for m in found.measurements if m.metric == "device_idle_share"]
    assert "unmonitored" in labels(found)
    assert "launch-bound" not in labels(found)


class Tiring(FakeDevice):
    """A device that gets slower by 0.2% with every launch."""

    def launch(self, host_seconds: float, device_seconds: float) -> None:
        self.launched = getattr(self, "launched", 0) + 1
        super().launch(host_seconds, device_seconds * (1 + 0.002 * self.launched))


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_device_that_slows_down_all_the_time_is_labelled(asynchronous: bool) -> None:
    device = Tiring(asynchronous)
    protocol = MeasurementProtocol(warmup_seconds=0.1, warmup_limit_seconds=1.0, sampling_seconds=5.0)
    found = latency.time_steps(planted(device, COSTS), device, protocol)
    assert {"not-stationary", "drifting"} <= set(labels(found))


FEW = MeasurementProtocol(
    warmup_steps=1,
    warmup_seconds=0.3,
    warmup_limit_seconds=0.6,
    fewest_samples=3,
    sampling_seconds=0.6,
)


@pytest.mark.parametrize("asynchronous", [True, False])
def test_of_three_samples_nothing_is_said_but_their_median(asynchronous: bool) -> None:
    """The phases do not add up, and the device tires by a third: three samples can tell neither."""
    device = Tiring(asynchronous)
    slow = tuple((100 * host, 100 * busy) for host, busy in COSTS)
    found = latency.time_steps(planted(device, slow, step_costs=slow[:2]), device, FEW)
    (step,) = [m for m in found.measurements if (m.phase, m.metric) == ("step", "wall_time")]
    assert (len(step.samples), step.stopped) == (3, "limit")
    assert found.warnings == []


def test_a_host_counts_by_the_steps_of_the_warm_up() -> None:
    """Of 0.2 s: two in the warm-up and four samples; of 1.7 s one and three."""
    for seconds, warmed, samples in ((0.2, 2, 4), (1.7, 1, 3)):
        device = FakeDevice(asynchronous=False)
        found = latency.time_steps(planted(device, ((0.0, seconds),)), device, FEW)
        assert median(found, "step", "warmup_steps") == warmed
        assert {len(m.samples) for m in found.measurements if m.metric == "wall_time"} == {samples}


def test_the_warm_up_is_counted() -> None:
    device = FakeDevice(asynchronous=False)
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL)
    assert median(found, "step", "warmup_steps") == 6  # two windows of three; 0.1 s are five steps


def test_a_case_is_timed_on_a_chip_that_is_warm() -> None:
    """2% faster after a rest or a spin: device time is that of steps in a row, phase by phase too."""
    device = FakeCuda(cool_speed=1.02)
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL)
    assert [median(found, phase, "device_time") for phase in (*PHASES, "step")] == pytest.approx(
        [5 * MS, 10 * MS, 2 * MS, 17 * MS], rel=1e-4
    )


@pytest.mark.parametrize(("host", "busy"), [(0.1, 12), (0.02, 0.1), (0.1, 1000)])
def test_the_way_to_the_first_kernel_is_no_part_of_wall_time(host: float, busy: float) -> None:
    """A step in a row takes what the device takes: the host is ahead of it after the first."""
    device = FakeDevice()
    steps = replace(planted(device, ((host * MS, busy * MS),)), phases=())
    found = latency.time_steps(steps, device, PROTOCOL)
    ratio = median(found, "step", "wall_time") / median(found, "step", "device_time")
    assert 1 < ratio < 1.002


def test_a_device_that_works_much_less_than_the_host_is_averaged_over_several_steps() -> None:
    """150 us of host and 20 us of device: it is the 20 us that a pair of events must resolve."""
    device = FakeDevice()
    steps = replace(planted(device, ((0.15 * MS, 0.02 * MS),)), phases=())
    found = latency.time_steps(steps, device, PROTOCOL)
    (repeats,) = [m.repeats for m in found.measurements if m.metric == "device_time"]
    assert repeats == 5
    assert median(found, "step", "device_time") == pytest.approx(0.02 * MS)


@pytest.mark.parametrize(
    ("seconds", "samples"), [(0.01, {20}), (1.0, {6}), (0.2, {6, 12})]
)  # of 5 s: 12 samples of twice 0.2 s, 6 of five times
def test_a_pass_over_long_steps_does_with_fewer_samples(seconds: float, samples: set[int]) -> None:
    device = FakeDevice()
    steps = replace(planted(device, ((5e-3, seconds),)), phases=())
    found = latency.time_steps(steps, device, PROTOCOL)
    assert {len(m.samples) for m in found.measurements if m.metric in ("device_time", "wall_time")} == samples


def test_on_a_device_that_is_not_asynchronous_samples_are_as_many_as_asked_for() -> None:
    device = FakeDevice(asynchronous=False)
    steps = replace(planted(device, ((0.0, 1.0),)), phases=())
    found = latency.time_steps(steps, device, PROTOCOL)
    assert [len(m.samples) for m in found.measurements if m.metric == "wall_time"] == [20]
