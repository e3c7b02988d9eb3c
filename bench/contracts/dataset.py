"""What a dataset is: labelled images in two splits, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Images:
    """One split.

    images  uint8 (n, channels, side, side), contiguous, on the CPU
    labels  int64 (n,), on the CPU
    """

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Split:
    """What is learnt from and what it is tested on."""

    train: Images
    test: Images


class Dataset(Protocol):
    """Torch-free to construct and to describe; `fetch` and `load` run in a child.

    `data_dir` is a folder that the user has filled: only what lies there is read, and nothing is ever
    written there. None is convbench's own cache (`files.cache_folder`), which `fetch` fills.

    name          as `--dataset` takes it
    summary       one line about the images
    source        who made them
    channels      1 or 3
    image         side of the square images in pixels
    classes       how many; labels are 0 to classes - 1
    train_images  images of the training split
    test_images   images of the test split
    mean          of pixels / 255 over the training split, for each channel
    std           standard deviation of the same
    mirrors       whether an image mirrored left to right is still one of its class
    learns        whether there is something to learn; no accuracy is given where not
    downloads     whether `fetch` needs a network
    """

    name: str
    summary: str
    source: str
    channels: int
    image: int
    classes: int
    train_images: int
    test_images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mirrors: bool
    learns: bool
    downloads: bool

    def why_missing(self, data_dir: Path | None) -> str | None:
        """A sentence where `data_dir` lacks a file or one has another size; at once, torch-free."""

    def fetch(self, data_dir: Path | None) -> None:
        """See to it that the data lie there whole, every checksum verified; download them into the cache.

        UserError: `data_dir` does not hold them so, or the download failed; the cache then holds nothing
        of them. Several processes may call it at once.
        """

    def load(self, data_dir: Path | None) -> Split:
        """The images, the same every time; UserError unless they lie there with the right checksums."""
