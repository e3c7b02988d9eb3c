"""A network, numbers of ranks and a strategy -> the plan of `convbench scale`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, structs

from bench import devices, strategies
from bench.plan import axes, rank_places, suite_plan
from bench.plan.axes import Value
from bench.plan.feasibility import why_impossible
from bench.plan.suite import USUAL
from bench.plan.suite_plan import Asked
from bench.schema.case import Case
from bench.schema.kept_plan import KeptPlan
from models.errors import UserError

MOST_RANKS = 1024
_BATCH = {"small": 16, "large": 128}
"""Of the whole job, by the device's `Traits.scale`; 128 is that of AlexNet in 2012."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for, in the texts of a command line. None leaves a thing to the machine.

    ranks    `1,2,4`
    is_weak  whether the batch is that of each rank, and the job's grows with them
    nodes    of the Slurm allocation that ranks may lie on, this host first
    given    the axes that were named, of one value each
    """

    model: str
    ranks: str | None = None
    strategy: str = "ddp"
    is_weak: bool = False
    nodes: object = "1"
    given: Mapping[str, tuple[Value, ...]] = {}
    replicates: object = "3"
    target_ci: object = None
    time_limit: object = None


def plan_of(wanted: Wanted, gpus: Callable[[], int] = rank_places.gpus_here) -> KeptPlan:
    """Each number of ranks as a case, of the same threads for each rank. UserError for what cannot run here:
    more ranks than devices, a strategy with a wrong number of ranks, a batch that does not divide, a network
    that cannot be split.

    `gpus` counts those of this host.
    """
    strategy = strategies.get(wanted.strategy).name
    plan = _of_one_process(wanted)
    (usual,) = plan.cases
    nodes = axes.whole_number("--nodes", wanted.nodes, 1, MOST_RANKS)
    rank_places.refuse_absent_nodes(nodes, os.environ)
    places = rank_places.of_host(usual, gpus)
    numbers = _numbers(wanted, usual, places * nodes)
    threads = int(usual.threads) if "threads" in wanted.given else rank_places.threads(max(numbers), nodes)
    cases = [
        structs.replace(
            usual,
            ranks=ranks,
            strategy=strategy,
            threads=threads,
            batch=usual.batch * (ranks if wanted.is_weak else 1),
        )
        for ranks in numbers
    ]
    for case in cases:
        reason = rank_places.why_too_many(case, places, nodes) or why_impossible(case)
        if reason is not None:
            raise UserError(reason)
    return structs.replace(plan, cases=cases)


def _of_one_process(wanted: Wanted) -> KeptPlan:
    """The plan of the usual suite for this network's training on one device."""
    named = axes.read("model", [wanted.model])
    if len(named) > 1:
        raise UserError(f"scale measures one network, got {len(named)} ({wanted.model!r})")
    for axis, values in wanted.given.items():
        if len(values) > 1:
            raise UserError(f"--{axis} must be a single value here, got {len(values)}")
    device = str(wanted.given.get("device", ("auto",))[0])
    scale = devices.traits(devices.auto() if device == "auto" else device).scale
    given = {
        **USUAL,
        "batch": (_BATCH[scale],),
        **wanted.given,
        "model": named,
        "workload": ("training",),
    }
    return suite_plan.of_suite(
        Asked(
            suite=suite_plan.USUAL_SUITE,
            given=given,
            replicates=wanted.replicates,
            target_ci=wanted.target_ci,
            time_limit=wanted.time_limit,
            ceilings=False,
        )
    )


def _numbers(wanted: Wanted, case: Case, places: int) -> Sequence[int]:
    """Those that were named, in rising order; else 1, 2, 4 and so on, as many as there are devices and as the
    strategy takes. Where it takes none but 1 of several, all of them: the second one's refusal is then said.
    """
    if wanted.ranks is not None:
        texts = [each.strip() for each in wanted.ranks.split(",")]
        return sorted({axes.whole_number("--ranks", each, 1, MOST_RANKS) for each in texts})
    doubled = [2**power for power in range(MOST_RANKS.bit_length()) if 2**power <= places]
    strategy = strategies.get(wanted.strategy)

    def is_taken(ranks: int) -> bool:
        batch = case.batch * (ranks if wanted.is_weak else 1)
        return (
            strategy.why_not(structs.replace(case, ranks=ranks, strategy=strategy.name, batch=batch)) is None
        )

    taken = [ranks for ranks in doubled if is_taken(ranks)]
    return taken if len(taken) > 1 else doubled
