"""Fashion-MNIST: as large as MNIST, and harder."""

from __future__ import annotations

from pathlib import Path

from bench.contracts.dataset import Images, Split
from bench.datasets.data_files import Archive, File
from bench.datasets.download import fetch

ARCHIVE = Archive(
    "fashion-mnist",
    "FashionMNIST",
    (
        File("FashionMNIST/raw/train-images-idx3-ubyte", 47_040_016, "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
        File("FashionMNIST/raw/train-labels-idx1-ubyte", 60_008, "9018921c3c673c538a1fc5bad174d6f9"),
        File("FashionMNIST/raw/t10k-images-idx3-ubyte", 7_840_016, "8181f5470baa50b63fa0f6fddb340f0a"),
        File("FashionMNIST/raw/t10k-labels-idx1-ubyte", 10_008, "15d484375f8d13e6eb1aabb0c3f46965"),
    ),
)


class FashionMNIST:
    """70,000 articles of clothing, 7,000 of each class."""

    name = "fashion-mnist"
    summary = "70,000 articles of clothing, 28x28 gray"
    source = "Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747; Zalando Research, MIT licence"
    channels = 1
    image = 28
    classes = 10
    train_images = 60_000
    test_images = 10_000
    mean = (0.28604,)
    std = (0.35302,)
    mirrors = True
    learns = True
    downloads = True

    def why_missing(self, data_dir: Path | None) -> str | None:
        return ARCHIVE.why_missing(data_dir)

    def fetch(self, data_dir: Path | None) -> None:
        fetch(ARCHIVE, data_dir, _download)

    def load(self, data_dir: Path | None) -> Split:
        train_images, train_labels, test_images, test_labels = ARCHIVE.read(data_dir)
        return Split(_images(train_images, train_labels), _images(test_images, test_labels))


def _images(images: bytes, labels: bytes) -> Images:
    """From IDX files of bytes: a header of 4 big-endian integers for images and 2 for labels, then all."""
    import torch

    pixels = torch.frombuffer(bytearray(images), dtype=torch.uint8, offset=16)
    side = DATASET.image
    numbers = torch.frombuffer(bytearray(labels), dtype=torch.uint8, offset=8)
    return Images(pixels.reshape(-1, 1, side, side), numbers.to(torch.int64))


def _download(folder: Path) -> None:
    from torchvision import datasets

    datasets.FashionMNIST(folder, download=True)
    for compressed in (folder / ARCHIVE.top / "raw").glob("*.gz"):
        compressed.unlink()


DATASET = FashionMNIST()
