"""What a network is called with, where only shapes count."""

from __future__ import annotations

import torch

from models.network import Arguments


def of_shape(*shape: int, dtype: torch.dtype = torch.float32) -> Arguments:
    """One tensor of zeros."""
    return Arguments((torch.zeros(shape, dtype=dtype),))
