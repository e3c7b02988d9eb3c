"""A network of one's own: measure it with `--model examples/tiny.py:build`."""

from torch import nn


def build(channels: int, classes: int) -> nn.Module:
    """Two convolutions and a classifier, for any image size."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, classes),
    )
