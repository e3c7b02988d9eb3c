"""What is measured for a ceiling: matrix products, VGG's convolutions and a copy, and what each has to do.

Torch-free: sizes and counts are closed forms.
"""

from __future__ import annotations

from msgspec import Struct

from bench.contracts.device import Scale
from bench.schema.case import Layout

_GIB = 2**30


class MatrixProduct(Struct, frozen=True):
    """(m, k) x (k, n), the right side stored as a linear layer stores its weights: (n, k)."""

    m: int
    n: int
    k: int

    @property
    def name(self) -> str:
        return f"matmul:{self.m}x{self.n}x{self.k}"

    @property
    def flops(self) -> int:
        """Two for each multiplication and addition."""
        return 2 * self.m * self.n * self.k


class Convolution(Struct, frozen=True):
    """As many channels out as in, padded to keep the side, forward and without a bias."""

    channels: int
    side: int
    batch: int
    layout: Layout
    kernel: int = 3

    @property
    def name(self) -> str:
        return f"conv:{self.channels}x{self.side}:b{self.batch}:{self.layout}"

    @property
    def flops(self) -> int:
        """Two for each multiplication and addition, those with the padding included."""
        return 2 * self.kernel**2 * self.channels**2 * self.side**2 * self.batch


class Copy(Struct, frozen=True):
    """From one place in the device's memory to another; `size` in bytes."""

    size: int

    @property
    def name(self) -> str:
        return f"copy:{self.size / _GIB:g}GiB"

    @property
    def bytes_moved(self) -> int:
        """Read and written."""
        return 2 * self.size


Product = MatrixProduct | Convolution | Copy

_GPU_MATRICES = (
    (64, 4096, 4096),  # VGG's linear layers for 64 images
    (64, 4096, 25088),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (4096, 4096, 4096),
    (8192, 8192, 2048),
    (4096, 4096, 16384),
    (4096, 16384, 4096),
    (16384, 4096, 4096),
    (8192, 8192, 4096),
    (8192, 8192, 8192),
    (8192, 8192, 16384),
)
_CPU_MATRICES = (
    (8, 4096, 4096),  # VGG's linear layers for 8 images
    (8, 4096, 25088),
    (512, 512, 512),
    (1024, 1024, 1024),
    (784, 512, 4608),  # VGG's convolutions of one image as products: fourth and third stage
    (3136, 256, 2304),
    (2048, 2048, 2048),
    (3072, 3072, 3072),
    (4096, 4096, 4096),
)
_VGG_STAGES = ((64, 224), (128, 112), (256, 56), (512, 28), (512, 14))
"""Channels and side of the convolutions between two poolings, at images of 224 pixels."""
_GPU_CONVOLUTIONS: tuple[tuple[int, Layout], ...] = ((64, "nchw"), (64, "channels-last"))
_CPU_CONVOLUTIONS: tuple[tuple[int, Layout], ...] = ((2, "nchw"), (2, "channels-last"), (8, "channels-last"))
"""Batches and layouts. On a CPU a small batch may stay in the caches, and a large one occupies all cores."""

_COPY = _GIB
"""Far beyond every cache."""
_MOST_OF_MEMORY = 1 / 8
"""The share of the device's memory that one side of the copy may take."""


def products(scale: Scale, memory_bytes: int) -> list[Product]:
    """All for a device of this scale that has so much memory, those with less to do first."""
    small = scale == "small"
    counted: list[MatrixProduct | Convolution] = [
        MatrixProduct(m, n, k) for m, n, k in (_CPU_MATRICES if small else _GPU_MATRICES)
    ]
    counted += [
        Convolution(channels, side, batch, layout)
        for channels, side in _VGG_STAGES
        for batch, layout in (_CPU_CONVOLUTIONS if small else _GPU_CONVOLUTIONS)
    ]
    return [Copy(_copied(memory_bytes)), *sorted(counted, key=lambda product: product.flops)]


def _copied(memory_bytes: int) -> int:
    """A GiB, halved until it fits."""
    size = _COPY
    while size > memory_bytes * _MOST_OF_MEMORY:
        size //= 2
    return size
