"""What is timed for a ceiling: a matrix product, a convolution or a copy, and what each has to do.

Torch-free: counts are closed forms.
"""

from __future__ import annotations

from msgspec import Struct

from bench.schema.case import Layout

GIB = 2**30


class MatrixProduct(Struct, frozen=True, tag="matmul"):
    """(m, k) x (k, n), the right side stored as a linear layer stores its weights: (n, k)."""

    m: int
    n: int
    k: int

    @property
    def flops(self) -> int:
        """Two for each multiplication and addition."""
        return 2 * self.m * self.n * self.k


class Convolution(Struct, frozen=True, tag="conv"):
    """As many channels out as in, padded to keep the side, forward and without a bias."""

    channels: int
    side: int
    batch: int
    layout: Layout
    kernel: int = 3

    @property
    def flops(self) -> int:
        """Two for each multiplication and addition, those with the padding included."""
        return 2 * self.kernel**2 * self.channels**2 * self.side**2 * self.batch


class Copy(Struct, frozen=True, tag="copy"):
    """From one place in the device's memory to another; `size` in bytes."""

    size: int

    @property
    def bytes_moved(self) -> int:
        """Read and written."""
        return 2 * self.size


Product = MatrixProduct | Convolution | Copy


def product_name(product: Product) -> str:
    """`matmul:8x4096x4096`, `conv:64x224:b2:nchw` or `copy:1GiB`: as reports and logs call it."""
    match product:
        case MatrixProduct(m, n, k):
            return f"matmul:{m}x{n}x{k}"
        case Convolution(channels, side, batch, layout):
            return f"conv:{channels}x{side}:b{batch}:{layout}"
        case Copy(size):
            return f"copy:{size / GIB:g}GiB"
