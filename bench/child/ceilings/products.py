"""What is measured for a ceiling: the sizes of matrix products, VGG's convolutions and a copy; torch-free."""

from __future__ import annotations

from bench.contracts.device import Scale
from bench.schema.case import Layout
from bench.schema.ceiling_product import GIB, Convolution, Copy, MatrixProduct, Product

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

_COPY = GIB
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
