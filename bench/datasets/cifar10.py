"""CIFAR-10: small photographs in colour."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

from bench.contracts.dataset import Images, Split
from bench.datasets.data_files import Archive, File
from bench.datasets.download import fetch

ARCHIVE = Archive(
    "cifar10",
    "cifar-10-batches-py",
    (
        File("cifar-10-batches-py/data_batch_1", 31_035_704, "c99cafc152244af753f735de768cd75f"),
        File("cifar-10-batches-py/data_batch_2", 31_035_320, "d4bba439e000b95fd0a9bffe97cbabec"),
        File("cifar-10-batches-py/data_batch_3", 31_035_999, "54ebc095f3ab1f0389bbae665268c751"),
        File("cifar-10-batches-py/data_batch_4", 31_035_696, "634d18415352ddfa80567beed471001a"),
        File("cifar-10-batches-py/data_batch_5", 31_035_623, "482c414d41f54cd18b22e5b47cb7c3cb"),
        File("cifar-10-batches-py/test_batch", 31_035_526, "40351d587109b95175f43aff81a1287e"),
    ),
)


class CIFAR10:
    """60,000 photographs of animals and vehicles, 6,000 of each class."""

    name = "cifar10"
    summary = "60,000 photographs of animals and vehicles, 32x32 color"
    source = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"
    channels = 3
    image = 32
    classes = 10
    train_images = 50_000
    test_images = 10_000
    mean = (0.4914, 0.4822, 0.4465)  # as usually published
    std = (0.2470, 0.2435, 0.2616)
    mirrors = True
    learns = True
    downloads = True

    def why_missing(self, data_dir: Path | None) -> str | None:
        return ARCHIVE.why_missing(data_dir)

    def fetch(self, data_dir: Path | None) -> None:
        fetch(ARCHIVE, data_dir, _download)

    def load(self, data_dir: Path | None) -> Split:
        *train, test = ARCHIVE.read(data_dir)
        return Split(_images(train), _images([test]))


def _images(batches: Sequence[bytes]) -> Images:
    """From pickles of {"data": uint8 (n, 3072), "labels": n integers}.

    A pickle can run any code, so only bytes that have passed their checksum may come here: those that
    `Archive.read` gives, which are never read from the disk a second time.
    """
    import torch

    loaded = [pickle.loads(batch, encoding="latin1") for batch in batches]  # written by Python 2
    pixels = torch.cat([torch.from_numpy(batch["data"]) for batch in loaded])
    side = DATASET.image
    labels = [label for batch in loaded for label in batch["labels"]]
    return Images(pixels.reshape(-1, 3, side, side), torch.tensor(labels, dtype=torch.int64))


def _download(folder: Path) -> None:
    from torchvision import datasets

    datasets.CIFAR10(folder, download=True)  # it checks the archive and each file before it unpickles any


DATASET = CIFAR10()
