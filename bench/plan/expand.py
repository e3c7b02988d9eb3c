"""Suite and options -> cases in the order of measuring; which of them cannot run, and how long they take."""

from __future__ import annotations

import functools
import itertools
import math
import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from bench import datasets, devices, engines
from bench.plan import ceiling_cases as ceilings
from bench.plan.axes import Value
from bench.plan.named_suites import USUAL, Block, Suite
from bench.probes.energy import BEFORE_SECONDS
from bench.schema import tuning
from bench.schema.case import Case, Protocol
from bench.schema.record import Status
from models import catalogue, closed_form

MODIFIERS = ("device", "image", "channels", "classes", "threads", "seed")
"""These options change every block of a suite. Naming any other axis makes the plan one product."""

RETRIED: tuple[Status, ...] = ("crashed", "timeout")
"""What `--resume` runs again: an accident may not repeat itself; the other statuses are answers."""


def cases(suite: Suite, given: Mapping[str, tuple[Value, ...]], threads: int) -> list[Case]:
    """The suite's cases (replicate 1), with the given axes in the place of the suite's; each case once.

    `threads` is what a case without an explicit number gets.
    """
    blocks = suite.blocks[:1] if is_product(given) else (*suite.blocks, *suite.once)
    return _cases(blocks, given, threads)


def is_product(given: Mapping[str, tuple[Value, ...]]) -> bool:
    """Whether these axes narrow a suite to one product of its main block."""
    return any(axis not in MODIFIERS for axis in given)


def _cases(blocks: Sequence[Block], given: Mapping[str, tuple[Value, ...]], threads: int) -> list[Case]:
    found = [case for block in blocks for case in _product({**USUAL, **block, **given}, threads)]
    return list(dict.fromkeys(found))


def planned(
    suite: Suite, given: Mapping[str, tuple[Value, ...]], threads: int, replicates: int | None = None
) -> list[Case]:
    """The processes of a plan in their order: `replicates` of each case, or as many as the suite says."""
    found = cases(suite, given, threads)
    if replicates is not None or is_product(given):
        return replicated(found, replicates or suite.replicates)
    repeated = set(_cases(suite.blocks, given, threads))
    ordered = replicated(found, suite.replicates)
    return [case for case in ordered if case.replicate == 1 or structs.replace(case, replicate=1) in repeated]


def with_ceilings(planned: Sequence[Case]) -> list[Case]:
    """The plan behind the ceilings that its cases stand under: a process for each device and arithmetic."""
    return [*ceilings.needed(case for case in planned if why_impossible(case) is None), *planned]


def _product(block: Block, threads: int) -> list[Case]:
    if "auto" in block["device"]:
        found = "cuda" if gpu_present() else "cpu"
        block = {**block, "device": tuple(found if name == "auto" else name for name in block["device"])}
    combinations = itertools.product(*block.values())
    return [_case(dict(zip(block, values, strict=True)), threads) for values in combinations]


def _case(fields: dict[str, Any], threads: int) -> Case:
    own = catalogue.defaults(fields["model"])
    defaults = {"image": own.image, "channels": own.channels, "classes": own.classes, "threads": threads}
    return msgspec.convert({**defaults, **fields}, Case)


def gpu_present() -> bool:
    """Whether the driver lists a CUDA GPU; asked without torch, so that a plan costs milliseconds."""
    return devices.get("cuda").why_absent() is None


def left_to_auto(suite: Suite, given: Mapping[str, tuple[Value, ...]]) -> bool:
    """Whether `gpu_present`, and not the user, chose the device of any case."""
    return any("auto" in {**USUAL, **block, **given}["device"] for block in suite.blocks)


def replicated(once: Sequence[Case], replicates: int) -> list[Case]:
    """Replicate 1 of every case before replicate 2 of any, each round in an order of its own.

    Drift then spreads over all cases, and an interrupted run is already a report. The order is the same
    every time, so that a resumed run goes on where it was.
    """
    ordered = []
    for replicate in range(1, replicates + 1):
        round_ = [structs.replace(case, replicate=replicate) for case in once]
        random.Random(replicate).shuffle(round_)
        ordered += round_
    return ordered


def why_impossible(case: Case) -> str | None:
    """A sentence when the case contradicts itself, whatever the machine."""
    refused = devices.get(case.device).why_unsupported(case)
    if case.workload == "ceiling":  # has neither an engine nor a network
        return refused
    engine = engines.get(case.engine)
    return (
        refused
        or engine.why_unsupported(case)
        or tuning.why_unsupported(case, compiles=engine.compiles)
        or catalogue.why_impossible(case.model, case.channels, case.image, case.classes)
    )


def why_not(case: Case) -> str | None:
    """What is known without torch against running a case on this machine, in a sentence."""
    return devices.get(case.device).why_absent() or why_impossible(case)


def pending(planned: Sequence[Case], statuses: Mapping[Case, Status]) -> list[Case]:
    """What is still to do: not recorded yet, or recorded as an accident."""
    return [case for case in planned if statuses.get(case) in (None, *RETRIED)]


_CEILING_SECONDS = {"cpu": 8.0, "cuda": 60.0}
_CHILD_SECONDS = 1.5
"""From launch to the first step, the counts and the end: about this on two cores."""
_COMPILE_SECONDS = 30.0
_FLOPS_PER_SECOND = {"cpu": 40e9, "cuda": 15e12}
"""Per core for the CPU. Rough on purpose: an estimate is to tell minutes from hours."""


def estimate_seconds(planned: Collection[Case], protocol: Protocol) -> float:
    """About how long the cases take; within a factor of three on ordinary machines."""
    return sum(_case_seconds(case, protocol) for case in planned)


def _case_seconds(case: Case, protocol: Protocol) -> float:
    if case.workload == "ceiling":
        return _CEILING_SECONDS[case.device]
    speed = _FLOPS_PER_SECOND[case.device] * (case.threads if case.device == "cpu" else 1)
    if case.task is not None:
        steps = case.task.recipe.epochs * math.ceil(datasets.get(case.task.dataset).train_images / case.batch)
        return _CHILD_SECONDS + steps * max(1e-3, _step_flops(case) / speed)
    step = max(1e-4, _step_flops(case) / speed)
    passes = (2 if case.workload == "training" else 1) * (1 if case.device == "cpu" else 3)
    warm_up = max(protocol.warmup_seconds, min(8 * step, protocol.warmup_limit_seconds))
    most = max(protocol.sampling_seconds, protocol.min_samples * step)
    sampling = passes * min(most, protocol.max_samples * step)
    compiling = _COMPILE_SECONDS if engines.get(case.engine).compiles else 0.0
    counted = case.device == "cuda" and protocol.energy_seconds > 0
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
