"""Steps whose cost is known, measured as a case's steps are; no torch."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.contracts.device import Device
from bench.contracts.steps import Call, Steps
from bench.schema import record
from bench.schema.case import MeasurementProtocol
from bench.schema.case_warnings import Label
from bench.schema.phases import Phase
from bench.stats.estimates import median
from bench.timing import latency
from bench.timing.latency import Latency

SHORT = MeasurementProtocol(
    warmup_seconds=0.0, warmup_limit_seconds=1.0, target_ci=0.02, max_samples=40, sampling_seconds=1.0
)
"""20 to 40 samples a pass: enough for a median, and the self-test is over in half a minute."""


def nothing() -> None:
    """A call that costs nothing."""


def spin(seconds: float) -> Call:
    """A call that keeps the processor busy until this much time has passed."""

    def call() -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    return call


def in_turn(*calls: Call) -> Call:
    """A call that makes these calls one after the other."""

    def call() -> None:
        for each in calls:
            each()

    return call


def steps(step: Call, phases: dict[Phase, Call] | None = None, setup: Callable[[], None] = nothing) -> Steps:
    """Steps of these calls, which hold no tensors."""
    return Steps(
        setup=setup,
        step=step,
        whole_phase="step",
        phases=tuple((phases or {}).items()),
        synchronises=False,
        why_invalid=lambda: None,
        warnings=list,
        tensors=dict,
    )


def time_planted(planted: Steps, device: Device) -> Latency:
    """The whole way of a latency: warm-up, timers, sampling."""
    return latency.time_steps(planted, device, SHORT)


def samples(found: Latency, phase: Phase, metric: str) -> list[float]:
    """The raw samples of one measurement (s)."""
    measured = record.find(found.measurements, phase, metric)
    assert measured is not None
    return measured.samples


def figure(found: Latency, phase: Phase, metric: str) -> float:
    """The median of one measurement (s)."""
    return median(samples(found, phase, metric))


def has_label(found: Latency, label: Label) -> bool:
    """Whether a warning of this kind was given."""
    return any(warning.label == label for warning in found.warnings)
