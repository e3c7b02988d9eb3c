"""Two real ranks on gloo: what a step sends, what the links do, and what a job of ranks leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.schema.case import Case
from bench.schema.ranks import WITHOUT_COMMUNICATION, RankFacts
from bench.schema.record import find
from tests.planted.counted_ranks import SIZES, Found
from tests.planted.equal_ranks import CASES
from tests.planted.rank_jobs import RANKS, answer_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """One job of two ranks for all of this module."""
    return answer_of("tests.planted.counted_ranks:count_rank", tmp_path_factory.mktemp("ranks"), Found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{Path(case.model).stem}-{case.strategy}")
def test_bytes_by_arithmetic_are_those_that_gloo_counts(found: Found, case: Case) -> None:
    """Gradients of ddp, shards of fsdp, feature maps of the towers, activations of the hybrid."""
    bytes_of = found.bytes[case.id]
    assert bytes_of.computed
    assert bytes_of.counted == bytes_of.computed


def test_the_sweep_has_every_collective_at_every_size(found: Found) -> None:
    assert found.refused == {}
    collectives = ("all-reduce", "all-gather", "reduce-scatter", "point-to-point", "broadcast", "reduce")
    assert [(each.collective, each.message_bytes) for each in found.swept] == [
        (collective, size) for collective in collectives for size in SIZES
    ]
    assert all(each.ranks == RANKS and min(each.seconds) > 0 for each in found.swept)


def test_each_rank_is_heard_whole(found: Found) -> None:
    assert found.told == [1, 2]


def test_a_job_leaves_the_slowest_ranks_step_and_each_ranks_own(found: Found) -> None:
    job = found.jobs["ddp"]
    step = find(job.measurements, "step", "wall_time")
    assert step is not None
    first, second = job.ranks
    assert step.samples == [max(each) for each in zip(first.step_seconds, second.step_seconds, strict=True)]
    assert [rank.rank for rank in job.ranks] == [0, 1]
    for rank in job.ranks:
        assert len(rank.step_seconds) == len(rank.pair_step_seconds) == len(rank.pair_quiet_seconds) == 3
        _is_placed(rank)


def _is_placed(rank: RankFacts) -> None:
    assert rank.device == "cpu"
    assert rank.threads == 1
    assert rank.cores
    assert rank.peak_bytes is not None
    assert rank.ledger["ledger_peak"] > rank.ledger["ledger_weights"] > 0


def test_each_rank_of_fsdp_holds_half_of_the_weights(found: Found) -> None:
    """By the ledger, whose weights are the shards."""
    whole, shard = (found.jobs[name].ranks[0].ledger["ledger_optimizer_state"] for name in ("ddp", "fsdp"))
    assert shard == pytest.approx(whole / RANKS, rel=0.1)


def test_energy_that_nobody_asked_for_is_absent_with_the_reason(found: Found) -> None:
    assert "energy_seconds is 0" in found.jobs["ddp"].absent["energy"]


def test_a_strategy_that_cannot_be_quiet_says_why(found: Found) -> None:
    assert WITHOUT_COMMUNICATION not in found.jobs["ddp"].absent
    assert found.jobs["fsdp"].absent[WITHOUT_COMMUNICATION]
