"""The optimizer of every timed training step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.schema.case import Case
from bench.schema.tuning import FUSED_OPTIMIZER, names
from models.blocks import is_block
from models.errors import UserError

if TYPE_CHECKING:
    import torch

LEARNING_RATE = 1e-4
"""Not the usual 0.01 (docs/method.md, "Workloads"). At that rate a small batch with Xavier weights diverges
(seen at batch 2: AlexNet within ten steps, VGG-11 and VGG-16 within a window), and then every number of the
timed steps is a NaN. The rate is a factor in the same instructions: it changes what is learned, not what is
done."""
MOMENTUM = 0.9
BLOCK_LEARNING_RATE = 1e-20
"""A fixed gradient of the output is no descent: at LEARNING_RATE the weights of a stack walk away, to 1e9
within 30 steps (seen: 8 images of 56 pixels) and then to NaN, of other tensors than a network's. So small a
rate leaves the weights as they are, by the same instructions; 0 might be folded away."""


def optimizer_for(weights: list[torch.Tensor], case: Case) -> torch.optim.SGD:
    """SGD with momentum as torch has it, or its fused form."""
    import torch

    rate = BLOCK_LEARNING_RATE if is_block(case.model) else LEARNING_RATE
    if FUSED_OPTIMIZER not in names(case.tuning):
        return torch.optim.SGD(weights, lr=rate, momentum=MOMENTUM)
    if any(weight.is_complex() for weight in weights):
        raise UserError(f"tuning {FUSED_OPTIMIZER} needs real weights, and {case.model} has complex ones")
    optimizer = torch.optim.SGD(weights, lr=rate, momentum=MOMENTUM, fused=True)
    # torch's fused form makes the buffers of unwritten memory, and learns from that where a GradScaler
    # skipped the first step.
    for weight in weights:
        optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return optimizer
