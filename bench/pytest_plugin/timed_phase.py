"""A phase timed through pytest-benchmark, and what its result says of itself."""

from __future__ import annotations

import functools
import statistics
from typing import Any

import msgspec
import pytest

from bench.pytest_plugin import axes_of_cases, round_counts
from bench.pytest_plugin.benchmarked import Benchmarked
from bench.pytest_plugin.measuring_mode import is_measured
from bench.pytest_plugin.ready_step import ReadyStep
from bench.schema.case import MeasurementProtocol
from bench.schema.case_warnings import in_words
from bench.schema.phases import Phase
from bench.stats import estimates
from bench.timing import sampling
from models.errors import unknown
from reports.summary.timed_series import of_rounds

_PEAKS = ("peak_allocated", "peak_resident")
"""By the device's allocator, or, where it has none that counts, by the kernel."""


def time_phase(
    request: pytest.FixtureRequest,
    ready: ReadyStep,
    named: str | None,
    protocol: MeasurementProtocol,
    batch: int | None = None,
) -> Benchmarked:
    """Warm up, time one phase (None: the whole step) and fill `extra_info`. Where pytest-benchmark is
    disabled the phase runs once. Raises UserError for a phase that the step does not have."""
    phase = _phase(ready, named)
    measured = is_measured(request.config)
    benchmark: Any = request.getfixturevalue("benchmark")
    if measured:
        warm_up(ready, protocol)
    in_force = round_counts.protocol_in_force(protocol, request.config)
    return timed(benchmark, ready, phase, in_force if measured else None, batch)


def warm_up(ready: ReadyStep, protocol: MeasurementProtocol) -> None:
    """Whole steps, as many as the protocol asks for."""
    sampling.warm_up(functools.partial(ready.run, ready.steps.whole_phase), protocol, ready.device.clock)
    ready.steps.why_invalid()  # what happened in the warm-up does not count


def timed(
    benchmark: Any,
    ready: ReadyStep,
    phase: Phase,
    protocol: MeasurementProtocol | None,
    batch: int | None = None,
) -> Benchmarked:
    """A phase of a step that is warm; without a protocol it runs once. `batch` is that of a module's own
    inputs."""
    case = ready.case
    setup, target = ready.calls(phase)
    # The table ranks what stands in one group: only what does the same in the same precision.
    benchmark.group = f"{case.workload} {phase} {case.precision} {case.layout} b{case.batch}"
    benchmark.params = {**(benchmark.params or {}), **axes_of_cases.parameters_of(case, phase)}
    rounds = 1 if protocol is None else _rounds(ready, phase, protocol)
    benchmark.pedantic(target, setup=setup, teardown=ready.check, rounds=rounds)
    seconds = () if benchmark.stats is None else tuple(map(float, benchmark.stats.stats.data))
    interval = estimates.within_process(sorted(seconds)) if seconds else None
    sizes = _bytes(ready, phase)
    found = Benchmarked(
        is_measured=bool(seconds),
        seconds=seconds,
        ends=(interval.low, interval.high) if interval else None,
        size=next((sizes[name] for name in _PEAKS if name in sizes), None),
        work=ready.flops.get(phase),
        batch=case.batch if ready.steps.arguments is not None else batch,
        warnings=tuple(map(in_words, of_rounds(phase, seconds))) if seconds else (),
    )
    benchmark.extra_info.update(_described(ready, phase, found, sizes))
    return found


def _phase(ready: ReadyStep, named: str | None) -> Phase:
    if named is None:
        return ready.steps.whole_phase
    for phase in ready.phases:
        if phase == named:
            return phase
    raise unknown("phase", named, ready.phases)


def _rounds(ready: ReadyStep, phase: Phase, protocol: MeasurementProtocol) -> int:
    """As many rounds as the protocol takes samples when its target is not reached before."""
    durations = []
    for _ in range(3):
        start = ready.device.clock()
        ready.run(phase)
        durations.append(ready.device.clock() - start)
    return round_counts.rounds_of(statistics.median(durations), protocol)


def _bytes(ready: ReadyStep, phase: Phase) -> dict[str, int]:
    return {
        each.metric: int(each.samples[0])
        for each in ready.memory
        if each.unit == "bytes" and each.phase in ("model", phase)
    }


def _described(ready: ReadyStep, phase: Phase, found: Benchmarked, sizes: dict[str, int]) -> dict[str, Any]:
    """What `extra_info` holds. The sizes are those of a process that has done other things before."""
    info: dict[str, Any] = {
        "case": msgspec.to_builtins(ready.case),
        "phase": phase,
        "effective": ready.read_back(),
        "parameters": ready.parameters,
        "bytes": sizes,
        "bytes_scope": "in-process",
    }
    if found.work is not None:
        info["flops"] = found.work
    if found.is_measured:
        info["interval"] = found.ends
        info["interval_scope"] = "within-process"
        info["warnings"] = found.warnings
        if found.work is not None:
            info["flops_per_second"] = found.work / found.median
    return info
