"""First weights of a network that is only timed: drawn once for a million and repeated over all matrices.

To draw each of the 138 million of VGG-16 takes half a second of every process, and no step is faster for it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

DRAWS = 1_048_573
"""A prime: no row of a matrix begins where an earlier one does, and no two pages of memory are equal."""


class TiledWeights:
    """Draws between -1 and 1, read on and on from matrix to matrix."""

    def __init__(self) -> None:
        self._draws = torch.empty(DRAWS).uniform_(-1, 1).numpy()
        self._next = 0

    def xavier_uniform_(self, weight: Tensor) -> None:
        """Fill a contiguous tensor on the CPU within the bound of `nn.init.xavier_uniform_`."""
        fan_in, fan_out = weight[0].numel(), len(weight) * weight[0, 0].numel()
        bound = np.float32((6 / (fan_in + fan_out)) ** 0.5)
        # By numpy, on one thread as torch draws them: on a machine of several sockets memory lies near the
        # thread that touches it first.
        flat = weight.detach().view(-1).numpy()
        begin = 0
        while begin < len(flat):
            count = min(len(flat) - begin, DRAWS - self._next)
            draws = self._draws[self._next : self._next + count]
            np.multiply(draws, bound, out=flat[begin : begin + count])
            begin += count
            self._next = (self._next + count) % DRAWS
