"""Noise, for speed alone: no file, no network, and nothing to learn."""

from __future__ import annotations

from pathlib import Path

from bench.contracts.dataset import Images, Split

_SEED = 0


class Synthetic:
    """Every pixel and label drawn evenly.

    32x32 in colour, resized by the recipe as the others are, so that the whole loop does the same work;
    at 224x224 the pixels alone would fill 385 MB.
    """

    name = "synthetic"
    summary = "2,560 images of noise, 32x32 color, for speed alone"
    source = "a random generator with a fixed seed"
    channels = 3
    image = 32
    classes = 10
    train_images = 2048
    test_images = 512
    # Of 0..255 drawn evenly, over 255: 1/2, and sqrt((256^2 - 1) / 12) / 255.
    mean = (0.5, 0.5, 0.5)
    std = (0.2898, 0.2898, 0.2898)
    mirrors = True
    learns = False
    downloads = False

    def why_missing(self, data_dir: Path | None) -> str | None:
        return None

    def fetch(self, data_dir: Path | None) -> None:
        return None

    def load(self, data_dir: Path | None) -> Split:
        import torch

        generator = torch.Generator().manual_seed(_SEED)

        def noise(n: int) -> Images:
            shape = (n, self.channels, self.image, self.image)
            images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
            return Images(images, torch.randint(self.classes, (n,), generator=generator))

        return Split(noise(self.train_images), noise(self.test_images))


DATASET = Synthetic()
