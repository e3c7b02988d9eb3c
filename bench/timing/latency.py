"""Warm up, then measure every phase with every timer of the device; the whole step in passes of its own."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from bench.contracts.device import Device
from bench.contracts.monitor import NO_MONITOR, Monitor, WindowReadings, Work
from bench.contracts.steps import Call, Steps
from bench.schema.case import MeasurementProtocol
from bench.schema.case_warnings import LAUNCH_BOUND, CaseWarning, Label
from bench.schema.phases import Phase
from bench.schema.record import Measurement, find
from bench.stats import estimates
from bench.timing import sampling, windows
from bench.timing.timer_choice import Pass, passes_of
from bench.timing.timers import HostTimer
from bench.timing.window_work import StepsAsWork

_SHARE_FOR_RETAKES = 0.5
"""Of a case's time limit: no window is taken again after it, for the memory pass must fit too."""


@dataclass
class Latency:
    """What a case's timing left behind; `invalid` is the reason why it must not be used."""

    measurements: list[Measurement] = field(default_factory=list)
    warnings: list[CaseWarning] = field(default_factory=list)
    invalid: str | None = None
    windows: dict[str, WindowReadings] = field(default_factory=dict)
    """What was seen in the windows that are used, by the timer's metric."""
    disturbed: list[str] = field(default_factory=list)
    """Why windows were taken again."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why a metric could not be measured."""
    warm_up_seconds: float = 0.0
    """What was taken before the first sample, of these seconds."""

    def warn(self, label: Label, detail: str) -> None:
        self.warnings.append(CaseWarning(label, detail))


def time_steps(
    steps: Steps,
    device: Device,
    protocol: MeasurementProtocol,
    monitor: Monitor = NO_MONITOR,
    *,
    host_time: bool = True,
) -> Latency:
    """Device, wall and host time of each phase and of the whole step, and what `monitor` saw meanwhile.

    Where the protocol wants no samples the steps are warmed up, for what is measured beside the timing.
    Without `host_time` that clock has no window, and no step is called launch-bound. With the protocol's
    `flush_l2` every sample is one step, which finds a cold L2.
    """
    deadline = device.clock() + _SHARE_FOR_RETAKES * protocol.time_limit_seconds
    warm = _warm_up(steps, device, protocol)
    latency = Latency(warm_up_seconds=warm.seconds)
    if not protocol.max_samples:
        return latency
    if warm.stationary is False:
        latency.warn("not-stationary", f"still not steady after {warm.seconds:.0f} s of warm-up; enlarge it")
    latency.measurements.append(
        Measurement(phase=steps.whole_phase, metric="warmup_steps", unit="count", samples=[warm.steps])
    )
    steps.why_invalid()  # what happened in the warm-up does not count
    if protocol.flush_l2:
        steps = _from_a_cold_l2(steps, device.flush())
    work = StepsAsWork(steps, device)
    for chosen in passes_of(steps, device, protocol, warm.step_seconds, host_time=host_time):
        taken = _measure_with(chosen, steps, device, protocol, latency, monitor, work, deadline)
        if steps.phases and chosen.timer.metric == _additive(steps, device):
            residual = additivity(taken[:-1], taken[-1])
            if residual is not None:
                latency.warn("not-additive", f"{residual} ({chosen.timer.metric})")
    _say_windows(latency, monitor)
    if device.queue() is not None and host_time:
        _tag_launch_bound(steps, device, latency)
    latency.warnings += steps.warnings()
    return latency


def _from_a_cold_l2(steps: Steps, flush: Call) -> Steps:
    """The same steps, ahead of each of which the L2 is written over.

    No step comes between it and the first event, or the host's clock. Of a step's phases only the first one
    begins so.
    """

    def setup() -> None:
        steps.setup()
        flush()

    return replace(steps, setup=setup)


def _say_windows(latency: Latency, monitor: Monitor) -> None:
    """What was seen in the windows, and how many were re-measured."""
    if monitor is not NO_MONITOR:
        latency.measurements += windows.window_measurements(latency.windows, len(latency.disturbed))
        latency.warnings += windows.merge_labels(latency.windows)
    if latency.disturbed:
        count, first = len(latency.disturbed), latency.disturbed[0]
        latency.warn("retaken", f"re-measured windows: {count}, the first after {first}")


def _warm_up(steps: Steps, device: Device, protocol: MeasurementProtocol) -> sampling.WarmUp:
    """Whole steps, each waited for: their durations show when the clocks, caches and allocators settle."""

    def one() -> None:
        steps.setup()
        steps.step()
        device.synchronise()

    return sampling.warm_up(one, protocol, device.clock)


def _measure_with(
    chosen: Pass,
    steps: Steps,
    device: Device,
    protocol: MeasurementProtocol,
    latency: Latency,
    monitor: Monitor,
    work: Work,
    deadline: float,
) -> tuple[list[float], ...]:
    """The samples of each phase, then of the whole step; they are also added to `latency`."""
    timer = chosen.timer
    protocol = structs.replace(protocol, min_samples=chosen.min_samples)
    used, disturbed = windows.take(
        lambda: sampling.sample(lambda: _one_sample(chosen, steps), protocol, device.clock),
        steps.why_invalid,
        monitor,
        device.clock,
        deadline,
        work,
        by_host=device.queue() is None or timer.metric == HostTimer.metric,
    )
    repeats = {name: chosen.phase_repeats for name, _ in steps.phases} | {steps.whole_phase: chosen.repeats}
    latency.measurements += _measurements(used.samples, timer.metric, repeats)
    for window in disturbed:
        latency.disturbed.append(window.disturbance or window.refused or "")
        latency.measurements += _measurements(window.samples, timer.metric, repeats, disturbed=True)
    latency.windows[timer.metric] = used.readings
    latency.invalid = latency.invalid or used.fault
    if sampling.halves_differ(used.samples.values[-1], tolerance=2 * protocol.target_ci):
        latency.warn(
            "drifting", f"{steps.whole_phase} became faster or slower while its {timer.metric} was measured"
        )
    return used.samples.values


def _one_sample(chosen: Pass, steps: Steps) -> list[float]:
    """A round of the phases, then one of the step: they alternate, so that drift falls on both alike."""
    calls = [call for _, call in steps.phases]
    parts = chosen.timer.time(calls, steps.setup, chosen.phase_repeats) if calls else ()
    return [*parts, *chosen.timer.time((steps.step,), steps.setup, chosen.repeats)]


def _measurements(
    taken: sampling.Samples, metric: str, repeats: Mapping[Phase, int], *, disturbed: bool = False
) -> list[Measurement]:
    return [
        Measurement(
            phase=phase,
            metric=metric,
            unit="s",
            samples=samples,
            repeats=steps,
            stopped=taken.stopped,
            disturbed=disturbed,
        )
        for (phase, steps), samples in zip(repeats.items(), taken.values, strict=True)
    ]


def _additive(steps: Steps, device: Device) -> str | None:
    """The metric whose phases must add up to the step, or None.

    By wall time on an asynchronous device the phases are waited for one by one, and the pipelined step is
    rightly shorter; where the step waits inside, its phases are shielded and it is not.
    """
    if device.queue() is None:
        return "wall_time"
    return None if steps.synchronises else "device_time"


def additivity(parts: Sequence[Sequence[float]], whole: Sequence[float]) -> str | None:
    """A sentence when the phases do not add up to the step within max(1%, 20 us).

    The difference is taken round by round, where both were measured one after the other, and its median is
    judged: the difference of two medians would hold the drift between them. The whole 95% interval of the
    median must lie beyond the tolerance, since a noisy machine is no fault of the phases: of fewer than six
    rounds nothing is said.
    """
    differences = sorted(sum(values) - step for *values, step in zip(*parts, whole, strict=True))
    difference, step = estimates.median_of_sorted(differences), statistics.median(whole)
    interval = estimates.within_process(differences)
    if interval is None or max(interval.low, -interval.high) < max(0.01 * step, 20e-6):
        return None
    return f"phases sum to {(step + difference) / step:.2g}x the step: phase times are unreliable"


def _median(latency: Latency, phase: Phase, metric: str) -> float:
    found = find(latency.measurements, phase, metric)
    assert found is not None
    return statistics.median(found.samples)


def _tag_launch_bound(steps: Steps, device: Device, latency: Latency) -> None:
    """By host time against device time, or by the idle share where the step waits inside:
    docs/method.md, "What a label means"."""
    queue = device.queue()
    assert queue is not None
    if not steps.synchronises:
        share = _median(latency, steps.whole_phase, "host_time") / _median(
            latency, steps.whole_phase, "device_time"
        )
        if share >= LAUNCH_BOUND:
            latency.warn("launch-bound", f"host time is {share:.2f} x device time")
        return
    latency.warn(
        "unshielded",
        f"{steps.whole_phase} waits for the device inside, so its device time holds the gaps in which the "
        "device waits for Python",
    )
    steps.setup()
    busy = queue.busy_seconds(steps.step)
    if busy is None:
        latency.absent["device_idle_share"] = "the profiler sees no kernels"
        latency.warn("unmonitored", "the profiler sees no kernels, so the idle share is not known")
        return
    idle = max(0.0, 1 - busy / _median(latency, steps.whole_phase, "wall_time"))
    latency.measurements.append(
        Measurement(phase=steps.whole_phase, metric="device_idle_share", unit="1", samples=[idle])
    )
    if idle >= 1 - LAUNCH_BOUND:
        latency.warn("launch-bound", f"the device is idle for {100 * idle:.0f}% of a step")
