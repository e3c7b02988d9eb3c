"""Which weights of a network the loss depends on: an auxiliary head has some that it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.rank_steps.share_step import ShareStep

if TYPE_CHECKING:
    from torch import Tensor


def freeze_unreached(step: ShareStep, weights: Sequence[Tensor]) -> list[Tensor]:
    """Those weights to which a gradient comes, after forward and backward without an update.

    The others are frozen: one process would not change them either, and DistributedDataParallel would wait
    for their gradients in vain.
    """
    step.backward()
    reached = [each for each in weights if each.grad is not None]
    for each in weights:
        if each.grad is None:
            each.requires_grad_(False)
        each.grad = None
    return reached
