"""The phases of a step, and which of them is the whole step of a workload."""

from __future__ import annotations

from bench.schema.case import Workload

PHASES = ("forward", "backward", "optimizer", "step")
WHOLE: dict[Workload, str] = {"inference": "forward", "training": "step"}
"""The phase in which a workload handles its batch once, from which throughput and speed-up follow."""
