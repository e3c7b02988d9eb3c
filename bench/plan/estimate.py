"""How long a plan takes, before it runs: rough on purpose, to tell minutes from hours."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection

from bench import datasets, devices, engines
from bench.contracts.energy_source import BEFORE_SECONDS
from bench.schema.case import Case, MeasurementProtocol
from models import catalogue, closed_form

_CHILD_SECONDS = 1.5
"""From launch to the first step, the counts and the end: about this on two cores."""
_COMPILE_SECONDS = 30.0


def estimate_seconds(planned: Collection[Case], protocol: MeasurementProtocol) -> float:
    """About how long the cases take; within a factor of three on ordinary machines."""
    return sum(_case_seconds(case, protocol) for case in planned)


def _case_seconds(case: Case, protocol: MeasurementProtocol) -> float:
    traits = devices.traits(case.device)
    if case.workload == "ceiling":
        return traits.ceiling_seconds
    speed = traits.flops_per_second * (case.threads if traits.is_host else 1)
    if case.task is not None:
        steps = case.task.recipe.epochs * math.ceil(datasets.get(case.task.dataset).train_images / case.batch)
        return _CHILD_SECONDS + steps * max(1e-3, _step_flops(case) / speed)
    step = max(1e-4, _step_flops(case) / speed)
    passes = (2 if case.workload == "training" else 1) * len(traits.clocks)
    warm_up = max(protocol.warmup_seconds, min(8 * step, protocol.warmup_limit_seconds))
    most = max(protocol.sampling_seconds, protocol.min_samples * step)
    sampling = passes * min(most, protocol.max_samples * step)
    compiling = _COMPILE_SECONDS if engines.get(case.engine).compiles else 0.0
    counted = traits.counts_energy and protocol.energy_seconds > 0
    energy = max(protocol.energy_seconds, 3 * step) + BEFORE_SECONDS if counted else 0.0
    return _CHILD_SECONDS + compiling + warm_up + sampling + energy


_UNKNOWN_FLOPS = 1e10
"""For a network that is not ours, whose cost is known only when it runs: about VGG-11 at batch 1."""


def _step_flops(case: Case) -> float:
    known = _image_flops(case.model, case.channels, case.image, case.classes)
    if known is None:
        return _UNKNOWN_FLOPS * case.batch
    forward, backward = known
    return case.batch * (forward + (backward if case.workload != "inference" else 0))


@functools.cache
def _image_flops(model: str, channels: int, image: int, classes: int) -> tuple[int, int] | None:
    """Forward and backward FLOPs for one image: a plan of thousands of cases has few different ones.

    None for a network that is not ours.
    """
    arch = catalogue.arch_of(model)
    if arch is None:
        return None
    total = closed_form.cost(arch, channels=channels, image=image, classes=classes)
    return total.flops_forward, total.flops_backward
