"""A model and at most one value of each axis -> a plan of one case."""

from __future__ import annotations

from collections.abc import Mapping

from bench.plan import axes, suite_plan
from bench.plan.axes import Value
from bench.plan.suite import USUAL
from bench.plan.suite_plan import USUAL_SUITE, Asked
from bench.schema.kept_plan import KeptPlan
from models.errors import UserError

SEVERAL = "`convbench run` takes several"


def plan_of(
    model: str,
    given: Mapping[str, tuple[Value, ...]],
    *,
    until: object,
    flush_l2: bool | None = None,
    gpu: str | None = None,
    lock_clocks_mhz: int | None = None,
) -> KeptPlan:
    """The case as the usual suite would measure it: forward of one image unless an axis says otherwise.

    Raises UserError for a model or an axis that stands for several, and for what cannot run here.
    """
    named = axes.read("model", [model])
    if len(named) > 1:
        raise UserError(f"time measures one network, got {len(named)} ({model!r}). {SEVERAL}")
    for axis, values in given.items():
        if len(values) > 1:
            raise UserError(f"--{axis} must be a single value here, got {len(values)}. {SEVERAL}")
    return suite_plan.of_suite(
        Asked(
            suite=USUAL_SUITE,
            given={**USUAL, **given, "model": named},
            until=until,
            flush_l2=flush_l2,
            ceilings=False,
            gpu=gpu,
            lock_clocks_mhz=lock_clocks_mhz,
        )
    )
