"""The messages in which DistributedDataParallel sends gradients."""

from __future__ import annotations

import pytest

from bench.rank_steps.buckets import bucket_bytes

MIB = 2**20


@pytest.mark.parametrize(
    ("gradients", "buckets"),
    [
        ([10, 20], [30]),
        ([30 * MIB, MIB], [MIB, 30 * MIB]),
        ([5 * MIB, 10 * MIB, 20 * MIB, 2 * MIB], [2 * MIB, 30 * MIB, 5 * MIB]),
        ([], [0]),
    ],
)
def test_the_last_layers_gradients_come_first_and_a_bucket_ends_past_its_limit(
    gradients: list[int], buckets: list[int]
) -> None:
    """1 MiB for the first bucket, 25 MiB for the others."""
    assert bucket_bytes(gradients) == buckets
