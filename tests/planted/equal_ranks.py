"""In each rank of a job: a step of every strategy beside the same step of one process."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch.distributed as dist
from msgspec import Struct, structs
from torch import Tensor, nn

from bench import strategies
from bench.child.case_network import load_network
from bench.contracts.rank_strategy import GatheredState
from bench.rank_steps import one_rank
from bench.schema.case import Case
from models import random_state
from models.network import Network
from tests.planted.rank_jobs import RANKS, joined

TOWERS = Case(model="alexnet-towers", workload="training", batch=4, image=67, classes=10, ranks=RANKS)
LENET = Case(model="lenet5", workload="training", batch=6, image=28, channels=1, classes=10, ranks=RANKS)
NETWORKS = Path(__file__).resolve().parents[1] / "fixtures" / "networks"
HEADS = Case(
    model=f"{NETWORKS}/heads.py:build", workload="training", batch=4, image=8, classes=10, ranks=RANKS
)
PAIR = Case(model=f"{NETWORKS}/pairs.py:build", workload="training", batch=4, classes=10, ranks=RANKS)
"""Of a user: several outputs, and inputs of its own."""
CASES = (
    *(structs.replace(LENET, strategy=name) for name in ("ddp", "fsdp", "towers-2012", "hybrid-2014")),
    *(structs.replace(TOWERS, strategy=name) for name in ("towers-2012", "hybrid-2014")),
    *(structs.replace(each, strategy="ddp") for each in (HEADS, PAIR)),
)
EXACT = (*CASES, *(structs.replace(each, strategy="fsdp") for each in (HEADS, PAIR)))


class Differences(Struct, frozen=True):
    """Of two ranks from one process: the largest of each kind, relative to the largest value there is."""

    outputs: float
    loss: float
    gradients: float
    weights: float
    names_are_equal: bool


def compare_rank(argument: bytes) -> bytes | None:
    """In a rank: encoded Differences by the ids of EXACT."""
    group = joined()
    alone: dict[str, GatheredState] = {}
    found = {}
    for case in EXACT:
        if case.model not in alone:
            steps = one_rank.steps_of(network_of(case), structs.replace(case, ranks=1), "cpu")
            steps.step()
            alone[case.model] = steps.state()
        spread = strategies.get(case.strategy).prepare(network_of(case), case, group)
        spread.step()
        found[case.id] = _differences(spread.state(), alone[case.model])
        if spread.without_communication is not None:
            spread.without_communication()
    dist.destroy_process_group()
    return msgspec.json.encode(found) if group.rank == 0 else None


def network_of(case: Case) -> Network:
    """Without dropout, which draws other numbers in every rank."""
    random_state.seed(0)
    network = load_network(case, "cpu")
    for part in network.module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return network


def _differences(spread: GatheredState, alone: GatheredState) -> Differences:
    def largest(kind: str) -> float:
        ours, theirs = getattr(spread, kind), getattr(alone, kind)
        return max(_relative(ours[name], theirs[name]) for name in theirs)

    return Differences(
        outputs=_relative(spread.outputs, alone.outputs),
        loss=abs(spread.loss - alone.loss) / abs(alone.loss),
        gradients=largest("gradients"),
        weights=largest("weights"),
        names_are_equal=set(spread.weights) == set(alone.weights)
        and set(spread.gradients) == set(alone.gradients),
    )


def _relative(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())
