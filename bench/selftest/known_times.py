"""Known answers on the processor: wall time, additivity, memory."""

from __future__ import annotations

import time

import torch

from bench import devices
from bench.contracts.steps import Call
from bench.probes import memory
from bench.schema.case import Case
from bench.schema.check import Answer, Checks, between, repeatedly
from bench.schema.phases import WHOLE, Phase
from bench.selftest.planted import figure, has_label, in_turn, nothing, samples, spin, steps, time_planted
from bench.stats.estimates import median

_SLEEP_SECONDS = 0.02
_OVERSLEPT = 1.25
"""A sleep ends late by what the kernel's timers and a busy machine add."""
_LOOPS = 10_000
"""A fraction of a millisecond, so that most rounds fit between two interruptions on a busy machine."""
_RATIO_TOLERANCE = 0.1
"""Ratios within one run, round by round: clocks that change fall on both sides alike."""
_PHASES: dict[Phase, float] = {"forward": 4e-4, "backward": 8e-4, "optimizer": 2e-4}
"""Seconds; short for the same reason."""
_EXTRA_SECONDS = 0.5 * sum(_PHASES.values())
_ALLOCATION_BYTES = 256 * 2**20
_ALLOCATION_TOLERANCE_BYTES = 4 * 2**20
"""The kernel counts pages in batches for each thread, and Python allocates beside."""
_ATTEMPTS = 3
"""A busy machine can spoil a window; what is wrong with the harness is wrong in every one."""


def checks() -> Checks:
    """All that need only a CPU."""
    host = devices.host()
    host.prepare(Case(model="none", threads=1))
    timed = {
        "sleep inside a step": _sleep_inside,
        "sleep outside a step": _sleep_outside,
        "2N of work against N": _twice_the_work,
        "phases add up to the step": _additive,
        "phases that do not add up are caught": _not_additive,
    }
    repeated = {name: repeatedly(check, _ATTEMPTS) for name, check in timed.items()}
    all_checks = {**repeated, "memory of a known size": _allocation}
    return {f"{host.name}: {name}": check for name, check in all_checks.items()}


def _sleep_inside() -> Answer:
    found = time_planted(steps(lambda: time.sleep(_SLEEP_SECONDS)), devices.host())
    seconds = figure(found, "step", "wall_time")
    return between(seconds, _SLEEP_SECONDS, _OVERSLEPT * _SLEEP_SECONDS, "ms", 1e3)


def _sleep_outside() -> Answer:
    work = _SLEEP_SECONDS / 10
    planted = steps(spin(work), setup=lambda: time.sleep(_SLEEP_SECONDS))
    seconds = figure(time_planted(planted, devices.host()), "step", "wall_time")
    return between(seconds, work, _OVERSLEPT * work, "ms", 1e3)


def _twice_the_work() -> Answer:
    def count(loops: int) -> None:
        for _ in range(loops):
            pass

    # The first call of a round finds cold caches: it is neither of the two.
    phases: dict[Phase, Call] = {
        "forward": lambda: count(_LOOPS),
        "backward": lambda: count(_LOOPS),
        "optimizer": lambda: count(2 * _LOOPS),
    }
    found = time_planted(steps(nothing, phases), devices.host())
    rounds = zip(*(samples(found, phase, "wall_time") for phase in ("backward", "optimizer")), strict=True)
    ratio = median([double / single for single, double in rounds])
    return between(ratio, 2 * (1 - _RATIO_TOLERANCE), 2 * (1 + _RATIO_TOLERANCE), "x")


def _additive() -> Answer:
    return _additivity(extra_seconds=0.0)


def _not_additive() -> Answer:
    return _additivity(extra_seconds=_EXTRA_SECONDS)


def _additivity(extra_seconds: float) -> Answer:
    """Phases of known length against a step that does all of them, and something that no phase does."""
    phases: dict[Phase, Call] = {name: spin(seconds) for name, seconds in _PHASES.items()}
    found = time_planted(steps(in_turn(*phases.values(), spin(extra_seconds)), phases), devices.host())
    rounds = zip(*(samples(found, name, "wall_time") for name in (*phases, WHOLE["training"])), strict=True)
    share = median([sum(parts) / step for *parts, step in rounds])
    labelled = has_label(found, "not-additive")
    return Answer(
        labelled == (extra_seconds > 0),
        _told(sum(_PHASES.values()) / (sum(_PHASES.values()) + extra_seconds), extra_seconds > 0),
        _told(share, labelled),
    )


def _told(share: float, labelled: bool) -> str:
    return f"phases / step = {share:.2f}, {'labeled' if labelled else 'not labeled'}"


def _allocation() -> Answer:
    """A step that allocates, writes and frees: by the peak of the resident memory over the baseline."""
    device = devices.host()

    def step() -> None:
        torch.ones(_ALLOCATION_BYTES, dtype=torch.uint8)

    step()  # what torch itself keeps from its first allocation is no part of it
    measured = memory.memory_pass(steps(step), device, device.memory_baseline())
    (peak,) = [m.samples[0] for m in measured if m.metric == "peak_resident"]
    low, high = (_ALLOCATION_BYTES + sign * _ALLOCATION_TOLERANCE_BYTES for sign in (-1, 1))
    return between(peak, low, high, "MiB", 2**-20)
