"""Suite and options -> cases in the order of measuring; which of them cannot run, and how long they take."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from bench import devices
from bench.plan import ceiling_cases as ceilings
from bench.plan import input_shapes
from bench.plan.axes import Value
from bench.plan.feasibility import why_impossible
from bench.plan.suite import USUAL, Block, Suite
from bench.schema.case import Case
from models import catalogue

MODIFIERS = ("device", "image", "input", "channels", "classes", "threads", "seed")
"""These options change every block of a suite. Naming any other axis makes the plan one product."""


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
    input_shapes.refuse_both(given, "the options")
    found = []
    for block in blocks:
        input_shapes.refuse_both(block, "the suite")
        found += _product({**USUAL, **input_shapes.merged(block, given), **given}, threads)
    return list(dict.fromkeys(found))


def of_one_process(suite: Suite, given: Mapping[str, tuple[Value, ...]], threads: int) -> list[Case]:
    """The cases of a whole suite that it has time to measure once."""
    repeated = set(_cases(suite.blocks, given, threads))
    return [case for case in _cases(suite.once, given, threads) if case not in repeated]


def processes(
    suite: Suite, given: Mapping[str, tuple[Value, ...]], threads: int, replicates: int | None = None
) -> list[Case]:
    """The processes of a plan in their order: `replicates` of each case, or as many as the suite says."""
    found = cases(suite, given, threads)
    if replicates is not None or is_product(given):
        return interleave_replicates(found, replicates or suite.replicates)
    return but_for(of_one_process(suite, given, threads), interleave_replicates(found, suite.replicates))


def but_for(single: Iterable[Case], ordered: Iterable[Case]) -> list[Case]:
    """The processes without those after the first of the cases of one process."""
    once = set(single)
    return [case for case in ordered if case.replicate == 1 or structs.replace(case, replicate=1) not in once]


def with_ceilings(planned: Sequence[Case], replicate: int = 1) -> list[Case]:
    """The plan behind the ceilings that its cases stand under: a process for each device and arithmetic."""
    needed = ceilings.needed(case for case in planned if why_impossible(case) is None)
    return [*(structs.replace(case, replicate=replicate) for case in needed), *planned]


def _product(block: Block, threads: int) -> list[Case]:
    if "auto" in block["device"]:
        found = devices.auto()
        block = {**block, "device": tuple(found if name == "auto" else name for name in block["device"])}
    combinations = itertools.product(*block.values())
    return [_case(dict(zip(block, values, strict=True)), threads) for values in combinations]


def _case(fields: dict[str, Any], threads: int) -> Case:
    own = catalogue.defaults(fields["model"])
    defaults = {"image": own.image, "channels": own.channels, "classes": own.classes, "threads": threads}
    shape = input_shapes.of_input(fields.pop("input")) if "input" in fields else {}
    return msgspec.convert({**defaults, **fields, **shape}, Case)


def left_to_auto(suite: Suite, given: Mapping[str, tuple[Value, ...]]) -> bool:
    """Whether `auto`, and not the user, chose the device of any case."""
    return any("auto" in {**USUAL, **block, **given}["device"] for block in suite.blocks)


def interleave_replicates(once: Sequence[Case], replicates: int) -> list[Case]:
    """Replicate 1 of every case before replicate 2 of any, each round in an order of its own.

    Drift then spreads over all cases, and an interrupted run is already a report. The order is the same
    every time, so that a resumed run goes on where it was.
    """
    return [case for number in range(1, replicates + 1) for case in one_round(once, number)]


def one_round(once: Sequence[Case], replicate: int) -> list[Case]:
    """One process of every case, in this round's own order."""
    round_ = [structs.replace(case, replicate=replicate) for case in once]
    random.Random(replicate).shuffle(round_)
    return round_
