"""How much disk a plan needs, before it runs: its records for good, and more while it runs."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from bench import engines
from bench.plan.estimate import lacks_instructions, samples_of
from bench.plan.step_seconds import layers_of
from bench.schema.case import Case, MeasurementProtocol

_RECORD = 5_000
"""Bytes of a record without samples: machine, protocol, counts, memory."""
_LAYER = 160
"""More, for each layer with parameters: its entry in the network's fingerprint."""
_SAMPLE = 20
"""A number as JSON writes it, with its comma."""
_SERIES = {"inference": 1, "training": 4}
"""A clock times the phases of a step, and the whole."""
_CEILING = 25_000
"""The record of a peak: some dozens of products."""
_EPOCH = 300
_LAYER_SAMPLES = 100
"""Rounds of `layers`, each of which times every layer in every phase."""
_REPORT, _REPORT_OF_CASE = 200_000, 60_000
"""report.md and its plots, as PNG and SVG: of the run, and more of each case."""
_COMPILED = 8_000_000
"""Of a compiled case, in a cache that the run deletes at its end."""
_STATE_BYTES = 4 * 2
"""A checkpoint has each weight and its momentum in fp32 ..."""
_COPIES = 2
"""... and the next one is written beside it."""


class DiskUse(Struct, frozen=True):
    """Bytes that a run leaves behind, and more that it needs while it runs."""

    kept: float
    meanwhile: float


def disk_use(planned: Collection[Case], protocol: MeasurementProtocol, *, layers: bool = False) -> DiskUse:
    """Of the processes that can run; with `layers` each times every layer."""
    able = [case for case in planned if not lacks_instructions(case)]
    once = {case.without_replicate() for case in able}
    kept = sum(record_bytes(case, protocol, layers=layers) for case in able)
    kept += _REPORT + _REPORT_OF_CASE * len(once) if able else 0
    compiled = sum(case.workload != "ceiling" and engines.get(case.engine).compiles for case in once)
    checkpoints = max((_STATE_BYTES * _COPIES * _parameters(case) for case in once if case.task), default=0.0)
    return DiskUse(kept, compiled * _COMPILED + checkpoints)


def record_bytes(case: Case, protocol: MeasurementProtocol, *, layers: bool = False) -> float:
    """Of the record of one process."""
    if case.workload == "ceiling":
        return _CEILING
    work = len(layers_of(case.model, case.channels, case.image, case.classes))
    fixed = _RECORD + _LAYER * work
    if case.task is not None:
        return fixed + _EPOCH * case.task.recipe.epochs
    series = _series_of_ranks(case) if case.strategy else _SERIES.get(case.workload, 1)
    timed = 2 * work * series * _LAYER_SAMPLES if layers else 0  # a layer's activation is one too
    return fixed + _SAMPLE * (series * samples_of(case, protocol) + timed)


def _series_of_ranks(case: Case) -> int:
    """Of each rank whole steps, and of several pairs of one without communication and a whole one; and of the
    job its steps."""
    return 1 + case.ranks * (3 if case.ranks > 1 else 1)


def _parameters(case: Case) -> float:
    return sum(layer.parameters for layer in layers_of(case.model, case.channels, case.image, case.classes))
