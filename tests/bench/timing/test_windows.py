"""Spoiled windows are taken again, within limits; which one is used, and what the record shows of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.child import passes
from bench.contracts.monitor import AT_REST, Monitors, WindowReadings, Work
from bench.devices.cuda import Cuda
from bench.devices.fake import FakeDevice
from bench.host.contention import ContentionMonitor
from bench.host.gpu_clocks import ClockMonitor
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.record import Measurement
from bench.timing import latency, windows
from bench.timing.sampling import Samples
from bench.timing.windows import MOST_RETAKES
from tests.planted.fake_nvml import FakeGpu, FakeNvml
from tests.planted.planted_steps import MS, planted

PROTOCOL = MeasurementProtocol(warmup_seconds=0.1, sampling_seconds=5.0)
COSTS = ((1 * MS, 5 * MS), (1 * MS, 10 * MS), (1 * MS, 2 * MS))

STEAL, HOT = CaseWarning("steal", "3%"), CaseWarning("slowdown", "hot")
FINE = WindowReadings()
STOLEN = WindowReadings(labels=(STEAL,), disturbed=STEAL)
SLOWED = WindowReadings(labels=(HOT,), disturbed=HOT, usable=False)


class Planted:
    """A monitor whose windows go as planted, the last one for ever."""

    def __init__(self, facts: Iterable[WindowReadings]) -> None:
        self._facts = list(facts)
        self.taken = 0

    def before(self) -> None:
        self.taken += 1

    def end(self) -> None:
        pass

    def after(self, work: Work) -> WindowReadings:
        return self._facts[min(self.taken, len(self._facts)) - 1]


def take(
    *facts: WindowReadings, deadline: float = 1e9, check: Iterable[str | None] = ()
) -> tuple[float, list[float]]:
    """The number of the window that is used and of those that are not: each lasts one second."""
    monitor = Planted(facts)
    answers = iter(check)
    used, spoiled = windows.take(
        lambda: Samples(([float(monitor.taken)],), "target"),
        lambda: next(answers, None),
        monitor,
        lambda: float(monitor.taken),
        deadline,
    )
    return used.samples.values[0][0], [window.samples.values[0][0] for window in spoiled]


def test_a_good_window_is_taken_once() -> None:
    assert take(FINE) == (1, [])


def test_a_spoiled_window_is_taken_again_and_its_samples_are_kept_beside() -> None:
    assert take(STOLEN, FINE) == (2, [1])
    assert take(SLOWED, FINE) == (2, [1])
    assert take(SLOWED, SLOWED, FINE) == (3, [1, 2])


def test_retakes_are_bounded() -> None:
    assert take(SLOWED) == (1 + MOST_RETAKES, [1, 2])
    assert take(STOLEN) == (2, [1])


def test_a_labelled_window_is_better_than_an_unusable_one() -> None:
    assert take(STOLEN, SLOWED, SLOWED) == (1, [2, 3])
    assert take(SLOWED, STOLEN, FINE) == (2, [1])


def test_no_window_begins_that_would_end_after_the_deadline() -> None:
    """The first ends at 1 s, so a second would end at 2 s."""
    assert take(SLOWED, FINE, deadline=1.9) == (1, [])
    assert take(SLOWED, FINE, deadline=2.0) == (2, [1])


def test_a_fault_of_the_workload_belongs_to_its_window() -> None:
    assert take(STOLEN, FINE, check=["a step was skipped", None]) == (2, [1])
    assert take(STOLEN, FINE, check=[None, "a step was skipped"]) == (1, [2])


def figure(found: latency.Latency, metric: str, phase: str = "window") -> list[float]:
    used = [m for m in found.measurements if not m.disturbed]
    (values,) = [m.samples for m in used if (m.phase, m.metric) == (phase, metric)]
    return values


def test_a_window_that_stays_slowed_makes_the_case_invalid() -> None:
    device = FakeDevice()
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL, Planted([SLOWED]))
    assert found.invalid == "slowdown: hot"
    assert figure(found, "retakes") == [3 * MOST_RETAKES]


def test_stolen_time_never_makes_a_case_invalid() -> None:
    device = FakeDevice(asynchronous=False)
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL, Planted([STOLEN]))
    assert found.invalid is None
    assert found.warnings == [
        CaseWarning("steal", "3% (wall_time)"),
        CaseWarning("retaken", "re-measured windows: 1, the first after steal: 3%"),
    ]


def test_time_stolen_from_the_host_spoils_its_own_window_alone_where_the_device_has_a_queue() -> None:
    """The others are labelled: the host is ahead of the device, which works as it always does."""
    device = FakeDevice()
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL, Planted([STOLEN]))
    assert found.invalid is None
    assert found.warnings == [
        CaseWarning("steal", "3% (device_time, wall_time, host_time)"),
        CaseWarning("retaken", "re-measured windows: 1, the first after steal: 3%"),
    ]
    assert {m.metric for m in found.measurements if m.disturbed} == {"host_time"}


def test_throttled_then_fine() -> None:
    """The figures come from the second window; those of the first stand beside them, marked."""
    device = FakeDevice()
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL, Planted([SLOWED, FINE]))
    assert found.invalid is None
    assert found.warnings == [CaseWarning("retaken", "re-measured windows: 1, the first after slowdown: hot")]
    assert figure(found, "retakes") == [1]
    assert figure(found, "device_time", "step") == pytest.approx([17 * MS] * 20)
    disturbed = [m for m in found.measurements if m.disturbed]
    assert {m.metric for m in disturbed} == {"device_time"}
    assert [m.samples for m in disturbed if m.phase == "step"] == [pytest.approx([17 * MS] * 20)]


def test_every_window_has_its_own_figures() -> None:
    seen = [
        Measurement(phase="window", metric="power", unit="W", samples=[watts]) for watts in (1.0, 2.0, 3.0)
    ]
    device = FakeDevice()
    monitor = Planted([WindowReadings((seen[0],)), FINE, WindowReadings((seen[2],))])
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL, monitor)
    assert figure(found, "power") == [1.0, 3.0]
    (power,) = [m for m in found.measurements if m.metric == "power"]
    assert power.windows == ["device_time", "host_time"]
    assert seen[0].samples == [1.0]


def test_what_nobody_watched_has_no_figures() -> None:
    device = FakeDevice()
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL)
    assert "window" not in {m.phase for m in found.measurements}


def test_together_the_worse_verdict_counts() -> None:
    both = Monitors([Planted([STOLEN]), Planted([SLOWED])])
    both.before()
    facts = both.after(AT_REST)
    assert (facts.labels, facts.disturbed, facts.usable) == (
        (STEAL, HOT),
        HOT,
        False,
    )


def test_stolen_time_in_the_kernels_file_spoils_a_window(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 0 900 0 0 0 10\n")
    monitor = ContentionMonitor(threads=1, stat=stat)
    monitor.before()
    stat.write_text("cpu  140 0 0 950 0 0 0 20\n")
    monitor.end()
    facts = monitor.after(AT_REST)
    assert (facts.disturbed, facts.usable) == (
        CaseWarning("steal", "other virtual machines took 10.0% of CPU time"),
        True,
    )
    monitor.before()
    monitor.end()
    assert monitor.after(AT_REST).disturbed is None


def test_a_hot_gpu_is_seen_through_the_whole_way() -> None:
    """It slows down in the first window and has cooled when that is taken again."""
    device = FakeDevice()
    bits = iter([0, 0, 0x40])
    gpu = FakeGpu(bits=lambda: next(bits, 0))
    monitor = Monitors([ClockMonitor(lambda: FakeNvml((gpu,)), "11111111-aaaa", device.clock)])
    found = latency.time_steps(planted(device, COSTS), device, PROTOCOL, monitor)
    assert found.invalid is None
    assert figure(found, "retakes") == [1]
    assert figure(found, "sm_clock") == [1980.0] * 3


class NamedGpu(Cuda):
    """A device that has a UUID, which no driver knows."""

    def uuid(self) -> str:
        return "00000000-no-such-gpu"


def test_the_worker_watches_the_processor_and_a_gpus_clocks() -> None:
    case = Case(model="lenet5")
    for device, watched in ((FakeDevice(), False), (NamedGpu(), True)):
        monitor = passes.monitor_of(case, device)
        monitor.before()
        monitor.end()
        facts = monitor.after(AT_REST)
        assert "steal_share" in {m.metric for m in facts.measurements}
        assert any(warning.label == "unmonitored" for warning in facts.labels) == watched
