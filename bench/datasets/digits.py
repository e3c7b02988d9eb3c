"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.contracts.dataset import Images, Split


class Digits:
    """1,797 real images of 8x8; small enough that two cores learn them in seconds."""

    name = "digits"
    summary = "1,797 handwritten digits, 8x8 gray, bundled with scikit-learn"
    source = "Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI; its test part"
    channels = 1
    image = 8
    classes = 10
    train_images = 1437
    test_images = 360
    mean = (0.30543,)
    std = (0.37596,)
    mirrors = False
    learns = True
    downloads = False

    def why_missing(self, data_dir: Path | None) -> str | None:
        return None

    def fetch(self, data_dir: Path | None) -> None:
        return None

    def load(self, data_dir: Path | None) -> Split:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        bunch = load_digits()
        train, test, train_labels, test_labels = train_test_split(
            bunch.images, bunch.target, test_size=self.test_images, stratify=bunch.target, random_state=0
        )
        return Split(_images(train, train_labels), _images(test, test_labels))


def _images(values: Any, labels: Any) -> Images:
    """From arrays of values 0..16, float (n, 8, 8)."""
    import torch

    pixels = (torch.from_numpy(values) * 255 / 16).round().to(torch.uint8)
    return Images(pixels.unsqueeze(1).contiguous(), torch.from_numpy(labels).to(torch.int64))


DATASET = Digits()
