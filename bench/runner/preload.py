"""What a fork server imports once for its cases."""

from __future__ import annotations

from collections.abc import Iterable

from bench import engines
from bench.schema.case import Case


def preload(cases: Iterable[Case]) -> tuple[str, ...]:
    """What the children of a fork server will do for these cases, in words of `bench.entry.PRELOAD`."""
    cases = list(cases)
    kinds = {
        "timed": True,
        "torchvision": any(case.model.startswith("torchvision:") for case in cases),
        "timm": any(case.model.startswith("timm:") for case in cases),
        "training": any(case.task for case in cases),
        "ceilings": any(case.workload == "ceiling" for case in cases),
        "digits": any(case.task and case.task.dataset == "digits" for case in cases),
        "compiled": any(engines.get(case.engine).compiles for case in cases),
    }
    return tuple(kind for kind, is_needed in kinds.items() if is_needed)
