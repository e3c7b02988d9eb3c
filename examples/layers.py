"""Ten equal convolutions, and eleven: 10% more work, to see what `convbench ab` makes of a known change."""

from torch import nn

WIDTH = 64


def _stack(count: int) -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [nn.Conv2d(WIDTH, WIDTH, kernel_size=3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def ten() -> nn.Module:
    """For `--channels 64`: 10 convolutions of 64 channels, 3x3."""
    return _stack(10)


def eleven() -> nn.Module:
    """The same with one more."""
    return _stack(11)
