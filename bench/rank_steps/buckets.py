"""In which messages DistributedDataParallel sends gradients, by arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

_FIRST = 2**20
_OTHERS = 25 * 2**20
"""torch's defaults: dist._DEFAULT_FIRST_BUCKET_BYTES, and `bucket_cap_mb`."""


def bucket_bytes(gradients: Sequence[int]) -> list[int]:
    """The messages of a step, first to last, for gradients of so many bytes in the order of the network.

    A bucket is sent when it has reached its limit, and the last layer's gradients come first:
    torch/csrc/distributed/c10d/reducer.cpp, compute_bucket_assignment_by_size.
    """
    buckets = [0]
    for size in reversed(gradients):
        if buckets[-1] >= (_FIRST if len(buckets) == 1 else _OTHERS):
            buckets.append(0)
        buckets[-1] += size
    return buckets
