"""A phase timed through pytest-benchmark, and what its result says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import structs

from bench.pytest_plugin import child_memory, device_facts, playback, round_counts
from bench.pytest_plugin.benchmarked import Benchmarked
from bench.pytest_plugin.measuring_mode import is_measured
from bench.pytest_plugin.ready_step import ReadyStep
from bench.schema import pytest_json
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import in_words
from bench.schema.phases import Phase
from bench.schema.record import Measurement, find
from bench.stats.diagnostics import corrected_interval
from bench.timing.latency import Latency
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
    benchmark: Any = request.getfixturevalue("benchmark")
    measured = is_measured(request.config)
    in_force = round_counts.protocol_in_force(protocol, request.config)
    apart = child_memory.kept_by(request.config).of if measured and not _is_module(ready) else None
    return timed(benchmark, ready, phase, in_force if measured else None, batch, apart)


def name_benchmark(benchmark: Any, case: Case, phase: Phase) -> None:
    """Its group and its parameters. The table ranks what is in one group: only what does the same in the same
    precision."""
    benchmark.group = pytest_json.group_of(case, phase)
    benchmark.params = {**(benchmark.params or {}), **pytest_json.parameters_of(case, phase)}


def timed(
    benchmark: Any,
    ready: ReadyStep,
    phase: Phase,
    protocol: MeasurementProtocol | None,
    batch: int | None = None,
    apart: Callable[[Case], list[Measurement] | None] | None = None,
) -> Benchmarked:
    """A phase of a step; without a protocol it runs once. `batch` is that of a module's own inputs, `apart`
    asks a process of its own for sizes and peaks."""
    case = _of_whole_batch(ready, batch)
    name_benchmark(benchmark, case, phase)
    setup, target = ready.calls(phase)
    taken: Latency | None = None
    if protocol is None:
        benchmark.pedantic(target, setup=setup, teardown=ready.check, rounds=1)
    else:
        taken = ready.timed(phase, protocol)
        if apart is not None and ready.apart is None:
            ready.apart = apart(ready.case)
        playback.play(benchmark, _seconds(taken, phase), setup, target)
    found = _found(ready, phase, taken, batch)
    benchmark.extra_info.update(_described(ready, phase, found))
    benchmark.extra_info.update(
        case=msgspec.to_builtins(case),
        status="reduced" if taken is None else "ok",
        batch=found.batch,
        module=_is_module(ready),
    )
    if taken is not None:
        benchmark.extra_info.update(_measured(ready, phase, taken))
    return found


def _is_module(ready: ReadyStep) -> bool:
    """Whether it is one of the test's own, whose case says only how it was measured."""
    return ready.steps.arguments is None


def _of_whole_batch(ready: ReadyStep, batch: int | None) -> Case:
    """The case, with the batch of a module where the test says it."""
    return structs.replace(ready.case, batch=batch) if _is_module(ready) and batch else ready.case


def _measured(ready: ReadyStep, phase: Phase, taken: Latency) -> dict[str, Any]:
    """How it was sampled, what to beware of, and what the device says."""
    warnings = (*taken.warnings, *of_rounds(phase, _seconds(taken, phase)))
    return {
        "protocol": _how(taken, phase, ready),
        "labels": list(dict.fromkeys(each.label for each in warnings)),
        "window": device_facts.in_the_window(taken),
        "gpu": device_facts.gpu_of(ready.device),
        **device_facts.by_other_clocks(taken, phase),
        **device_facts.peak_of(ready),
    }


def _found(ready: ReadyStep, phase: Phase, taken: Latency | None, batch: int | None) -> Benchmarked:
    seconds = () if taken is None else _seconds(taken, phase)
    interval = corrected_interval(seconds)
    sizes = _bytes(ready, phase)
    warnings = [] if taken is None else [*taken.warnings, *of_rounds(phase, seconds)]
    return Benchmarked(
        is_measured=taken is not None,
        seconds=seconds,
        ends=(interval.low, interval.high) if interval else None,
        size=next((sizes[name] for name in _PEAKS if name in sizes), None),
        work=ready.flops.get(phase),
        batch=batch if _is_module(ready) else ready.case.batch,
        warnings=tuple(map(in_words, warnings)),
    )


def _phase(ready: ReadyStep, named: str | None) -> Phase:
    if named is None:
        return ready.steps.whole_phase
    for phase in ready.phases:
        if phase == named:
            return phase
    raise unknown("phase", named, ready.phases)


def _seconds(taken: Latency, phase: Phase) -> tuple[float, ...]:
    wall = find(taken.measurements, phase, "wall_time")
    assert wall is not None, f"no wall time of {phase}"
    return tuple(wall.samples)


def _how(taken: Latency, phase: Phase, ready: ReadyStep) -> dict[str, Any]:
    """How it was sampled: what pytest-benchmark's own `options` cannot say."""
    wall = find(taken.measurements, phase, "wall_time")
    warm = find(taken.measurements, ready.steps.whole_phase, "warmup_steps")
    assert wall is not None
    return {
        "rounds": len(wall.samples),
        "steps_per_round": wall.repeats,
        "stopped_by": wall.stopped,
        "warmup_seconds": taken.warm_up_seconds,
        "warmup_steps": warm and int(warm.samples[0]),
    }


def _bytes(ready: ReadyStep, phase: Phase) -> dict[str, int]:
    return {
        each.metric: int(each.samples[0])
        for each in ready.memory
        if each.unit == "bytes" and each.phase in ("model", phase)
    }


def _described(ready: ReadyStep, phase: Phase, found: Benchmarked) -> dict[str, Any]:
    """What `extra_info` holds. Sizes `in-process` are those of one that has done other things before."""
    info: dict[str, Any] = {
        "phase": phase,
        "effective": ready.read_back(),
        "parameters": ready.parameters,
        "bytes": _bytes(ready, phase),
        "bytes_scope": "in-process" if ready.apart is None else "child process",
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
