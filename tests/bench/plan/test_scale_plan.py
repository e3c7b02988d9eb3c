"""`convbench scale` plans the numbers of ranks it was asked for, and refuses in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from bench.plan import scale_plan
from bench.plan.scale_plan import Wanted
from models.errors import UserError


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.host.cpu_cores.usable_cores", lambda: 8)
    monkeypatch.setattr("bench.devices.auto", lambda: "cpu")


def planned(model: str, **wanted: Any) -> list[tuple[int, int, int]]:
    """Ranks, batch and threads of each case."""
    cases = scale_plan.plan_of(Wanted(model=model, **wanted)).cases
    return [(case.ranks, case.batch, case.threads) for case in cases]


def test_threads_of_a_rank_are_the_same_at_every_number_of_ranks() -> None:
    assert planned("vgg11", ranks="4,1,2") == [(1, 16, 2), (2, 16, 2), (4, 16, 2)]


def test_ranks_are_doubled_up_to_the_cores_where_none_are_named() -> None:
    assert [ranks for ranks, _, _ in planned("vgg11")] == [1, 2, 4, 8]
    assert [ranks for ranks, _, _ in planned("alexnet-towers", strategy="towers-2012")] == [1, 2]


def test_the_batch_of_a_weak_scaling_grows_with_the_ranks() -> None:
    given = {"batch": (5,)}
    assert planned("vgg11", ranks="1,3", is_weak=True, given=given) == [(1, 5, 2), (3, 15, 2)]


def test_a_case_says_its_ranks_and_strategy_in_its_id() -> None:
    case = scale_plan.plan_of(Wanted(model="lenet5", ranks="2", strategy="fsdp")).cases[0]
    assert case.id.endswith("/x2-fsdp")


@pytest.mark.parametrize(
    ("model", "wanted", "said"),
    [
        ("vgg11", {"ranks": "16"}, "16 ranks need 16 cores, and this machine has 8 usable cores"),
        (
            "vgg11",
            {"ranks": "4", "given": {"threads": (3,)}},
            "4 ranks with 3 threads each need 12 cores, and this machine has 8 usable cores",
        ),
        ("vgg11", {"ranks": "0"}, "--ranks must be a whole number from 1 to 1024, got '0'"),
        (
            "vgg11",
            {"ranks": "3"},
            "a batch of 16 does not divide among 3 ranks; 18 would (the batch is that of the whole job)",
        ),
        ("vgg11", {"strategy": "dpd"}, "unknown strategy 'dpd'. Did you mean 'ddp'?"),
        (
            "alexnet-towers",
            {"ranks": "4", "strategy": "towers-2012"},
            "towers-2012 has two towers, one on each rank, and 4 ranks were asked for",
        ),
        (
            "alexnet-grouped",
            {"ranks": "2", "strategy": "towers-2012"},
            "lrn1 of alexnet-grouped needs the maps of both towers",
        ),
        (
            "vgg16-bn",
            {"ranks": "2", "strategy": "hybrid-2014"},
            "hybrid-2014 splits no batch normalization, and vgg16-bn has batchnorm1",
        ),
        (
            "alexnet",
            {"ranks": "2", "strategy": "hybrid-2014", "given": {"classes": (7,)}},
            "linear3 has 7 outputs, which do not divide among 2 ranks",
        ),
        (
            "vgg11-bn",
            {"ranks": "1,2", "strategy": "ddp"},
            "vgg11-bn has batch normalization, which must see the batch of the whole job, and torch has its "
            "SyncBatchNorm for GPUs only",
        ),
        ("vgg11-bn", {"strategy": "fsdp"}, "vgg11-bn has batch normalization"),
        ("vgg11", {"given": {"batch": (15,)}}, "a batch of 15 does not divide among 2 ranks; 16 would"),
        (
            "vgg11",
            {"ranks": "1", "given": {"threads": (9,)}},
            "1 rank with 9 threads needs as many cores, and this machine has 8 usable cores",
        ),
        (
            "torchvision:resnet18",
            {"ranks": "2", "strategy": "hybrid-2014"},
            "hybrid-2014 splits networks of the catalogue",
        ),
        (
            "vgg11",
            {"ranks": "2", "given": {"precision": ("amp-fp16",)}},
            "amp-fp16 scales the loss, which is not done over several ranks; use amp-bf16",
        ),
        ("vgg11,vgg16", {}, "scale measures one network, got 2"),
        ("vgg11", {"given": {"batch": (8, 16)}}, "--batch must be a single value here, got 2"),
    ],
)
def test_what_cannot_be_spread_is_refused_in_a_sentence(
    model: str, wanted: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as refused:
        scale_plan.plan_of(Wanted(model=model, **wanted))
    assert str(refused.value).startswith(said)


def test_more_ranks_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.devices.cuda.Cuda.why_absent", lambda device: None)
    wanted = Wanted(model="vgg11", ranks="4", given={"device": ("cuda",)})
    with pytest.raises(UserError, match="4 ranks need a GPU each, and this machine has 2 GPUs"):
        scale_plan.plan_of(wanted, gpus=lambda: 2)


def test_ranks_beyond_the_cores_of_a_node_lie_on_further_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    given = {"batch": (16,)}
    assert planned("vgg11", ranks="1,8,16", nodes="2", given=given) == [(1, 16, 1), (8, 16, 1), (16, 16, 1)]
    with pytest.raises(UserError, match="32 ranks need 32 cores, and 2 nodes have 8 usable cores each"):
        planned("vgg11", ranks="32", nodes="2", given={"batch": (32,)})


def test_nodes_need_an_allocation_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_NUM_NODES", raising=False)
    with pytest.raises(
        UserError, match=r"--nodes 2 needs a Slurm allocation: start it with `sbatch --nodes=2`"
    ):
        planned("vgg11", ranks="2", nodes="2")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "1")
    with pytest.raises(UserError, match="--nodes is 2, and this Slurm allocation has 1 node"):
        planned("vgg11", ranks="2", nodes="2")


def test_threads_of_a_rank_lie_on_one_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ranks of three threads on eight cores: eight ranks need four nodes, and not the three that have as
    many cores in all."""
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "4")
    given = {"threads": (3,), "batch": (16,)}
    assert planned("vgg11", ranks="8", nodes="4", given=given) == [(8, 16, 3)]
    with pytest.raises(UserError, match="1 rank with 9 threads needs as many cores, and 4 nodes have 8"):
        planned("vgg11", ranks="1", nodes="4", given={"threads": (9,)})
