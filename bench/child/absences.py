"""In the child: why a record lacks what such a case has, where no pass has said so itself."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contracts.engine import Engine
from bench.contracts.steps import Steps
from bench.schema.case_warnings import CaseWarning, Label
from bench.schema.job import Job
from bench.schema.metrics import GPU_CONDITIONS
from bench.schema.record import Measurement
from bench.tensors import POLICIES

REPLAYED = "a step that is replayed as a whole has no phases"
NO_COLD_CACHE = "what an earlier process had compiled was there already"
REPLAY_CASTS = "the replay of a CUDA graph runs no operator of torch"

_TOLD_BY_WARNINGS: dict[Label, tuple[str, ...]] = {
    "no-peak": ("peak_allocated", "peak_requested"),
    "no-driver-other": ("driver_other",),
    "unmonitored": GPU_CONDITIONS,
    "no-others": ("steal_share", "others_share"),
}
"""Warnings that say why metrics are missing."""


def of_case(job: Job, engine: Engine, steps: Steps) -> dict[str, str]:
    """What a case of this engine and protocol lacks: metric -> sentence. Of what another process is asked
    nothing is said."""
    absent: dict[str, str] = {}
    training = job.case.workload == "training"
    if engine.compiles and job.cold is None:
        absent["compile_cold"] = NO_COLD_CACHE
    if not job.facts:
        return absent
    if training and not steps.phases:
        absent["saved_activations"] = REPLAYED
    if POLICIES[job.case.precision].autocast is not None:
        if engine.compiles and job.cold is None:
            absent["casts"] = NO_COLD_CACHE
        elif engine.replays_graphs and not engine.compiles:
            absent["casts"] = REPLAY_CASTS
    return absent


def told_by(warnings: Sequence[CaseWarning], found: Sequence[Measurement]) -> dict[str, str]:
    """What warnings say of metrics that were not found: metric -> sentence."""
    present = {measurement.metric for measurement in found}
    return {
        metric: warning.detail or warning.label
        for warning in warnings
        for metric in _TOLD_BY_WARNINGS.get(warning.label, ())
        if metric not in present
    }
