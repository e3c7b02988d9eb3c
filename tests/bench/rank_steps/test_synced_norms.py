"""Batch normalization over all ranks: what it sends, and how it keeps silent. Without a GPU it never runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch.distributed as dist
from torch import nn

from bench.rank_steps.synced_norms import QuietNorms, sent_by_norms
from bench.schema.ranks import Traffic


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(nn.SyncBatchNorm(64), nn.ReLU(), nn.SyncBatchNorm(16))


@pytest.fixture
def one_rank(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_it_sends_two_numbers_a_channel_and_a_count_and_back_two_sums(network: nn.Module) -> None:
    """In fp32; of an all-gather what four ranks hold together."""
    assert sent_by_norms(network, 4) == (
        Traffic("statistics of batch normalization", "all-gather", 4 * 4 * (2 * 80 + 2), 2),
        Traffic("gradients of these statistics", "all-reduce", 4 * 2 * 80, 2),
    )
    assert sent_by_norms(nn.Linear(2, 2), 4) == ()


@pytest.mark.usefixtures("one_rank")
def test_a_step_without_communication_has_groups_of_one_rank(network: nn.Module) -> None:
    """`no_sync` keeps gradients alone from being sent."""
    norms = [each for each in network.modules() if isinstance(each, nn.SyncBatchNorm)]
    quiet = QuietNorms(network)
    with quiet.quiet():
        assert [dist.get_world_size(each.process_group) for each in norms] == [1, 1]
        assert all(each.process_group is not None for each in norms)
    assert [each.process_group for each in norms] == [None, None]
