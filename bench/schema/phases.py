"""The phases that a record's measurements belong to, and which of them is the whole step of a case."""

from __future__ import annotations

from typing import Literal

from bench.schema.case import Case, Workload

Phase = Literal[
    "forward", "backward", "optimizer", "step", "model", "epoch", "window", "energy", "layers", "product"
]
"""forward, backward, optimizer, step: of a step. model: what no phase owns. epoch: of a training run. window,
energy: what happened to the machine while times were taken, and while energy was counted. layers: all layers
together. product: of a ceiling."""

PHASES: tuple[Phase, ...] = ("forward", "backward", "optimizer", "step")
"""Those of a step."""
WHOLE: dict[Workload, Phase] = {"inference": "forward", "training": "step"}
"""The phase in which a workload handles its batch once, from which throughput and speed-up follow."""


def whole(case: Case) -> Phase | None:
    """The phase that is a case's whole step; None for a training run and a ceiling, which time no step."""
    return WHOLE.get(case.workload)
