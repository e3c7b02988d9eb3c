"""What a fork server imports once for its cases."""

from __future__ import annotations

from collections.abc import Iterable

from bench import engines
from bench.schema.case import Case
from models import catalogue


def preload(cases: Iterable[Case], *, facts: bool = True) -> tuple[str, ...]:
    """What the children of a fork server will do for these cases, in words of `bench.entry.PRELOAD`.

    Without `facts` they are asked for times alone.
    """
    cases = list(cases)
    kinds = {
        "timed": True,
        "counted": facts or not all(map(_steps_alone, cases)),
        "torchvision": any(case.model.startswith("torchvision:") for case in cases),
        "timm": any(case.model.startswith("timm:") for case in cases),
        "ranks": any(case.strategy for case in cases),
        "training": any(case.task for case in cases),
        "ceilings": any(case.workload == "ceiling" for case in cases),
        "digits": any(case.task and case.task.dataset == "digits" for case in cases),
        "compiled": any(engines.get(case.engine).compiles for case in cases),
    }
    return tuple(kind for kind, is_needed in kinds.items() if is_needed)


def _steps_alone(case: Case) -> bool:
    """Whether nothing of a case but a mode that sees operators needs torch's compiler: a user's own network
    may use it, an optimizer does."""
    if case.workload == "ceiling":
        return True
    is_plain = (case.workload, case.engine, case.precision) == ("inference", "eager", "fp32")
    return is_plain and catalogue.arch_of(case.model) is not None
