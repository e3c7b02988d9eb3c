"""An architecture as data: the layers of a network in order, without torch.

Layers state what they produce; what they take (channels, features) follows from the layer before, so that
one table serves every number of input channels, image size and number of classes.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Conv(Struct, frozen=True):
    """A 2-d convolution with bias: `channels` out, square `kernel`; `padding` on each side."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1


class Pool(Struct, frozen=True):
    """Maximum or average over a square window; a window that does not fit at the edge is dropped."""

    kind: Literal["max", "avg"]
    kernel: int
    stride: int
    padding: int = 0


class AdaptivePool(Struct, frozen=True):
    """Average pooling to `size` x `size` whatever comes in (a smaller input is repeated, as in torch)."""

    size: int


class BatchNorm(Struct, frozen=True):
    """Batch normalisation with a learned scale and shift for each channel (Ioffe & Szegedy 2015)."""


class ResponseNorm(Struct, frozen=True):
    """Local response normalisation (Krizhevsky et al. 2012, section 3.3), with the paper's constants.

    Each value is divided by (k + alpha * sum of squares over `neighbours` adjacent channels) ** beta; with
    `groups`, over those of its own group of channels.
    """

    neighbours: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0
    groups: int = 1


class Activation(Struct, frozen=True):
    kind: Literal["relu", "sigmoid", "tanh"] = "relu"


class Flatten(Struct, frozen=True):
    """(channels, height, width) -> (features,)."""


class Dropout(Struct, frozen=True):
    p: float = 0.5


class Linear(Struct, frozen=True):
    """A linear layer with bias to `features` outputs; None stands for the number of classes."""

    features: int | None = None


Init = Literal["xavier", "he", "kaiming", "normal", "default"]
"""First weights, as `models.build.initialise` says."""
INITS: tuple[Init, ...] = ("xavier", "he", "kaiming", "normal", "default")

Norm = BatchNorm | ResponseNorm
Layer = Conv | Pool | AdaptivePool | BatchNorm | ResponseNorm | Activation | Flatten | Dropout | Linear


Family = Literal["lenet", "alexnet", "vgg", "other"]
"""Networks that one recipe trains."""
FAMILIES: tuple[Family, ...] = ("lenet", "alexnet", "vgg")


class Arch(Struct, frozen=True, kw_only=True):
    """A network: its layers in order and the input (channels, side in pixels, classes) it was made for."""

    name: str
    summary: str
    source: str
    year: int
    layers: tuple[Layer, ...]
    channels: int = 3
    image: int = 224
    classes: int = 1000
    family: Family = "other"

    @property
    def batch_norm(self) -> bool:
        """Whether any layer normalizes by the batch."""
        return any(isinstance(layer, BatchNorm) for layer in self.layers)


def kind(layer: Layer) -> str:
    """The layer's kind in a word, as tables print it."""
    match layer:
        case Conv():
            return "conv"
        case Pool():
            return f"{layer.kind}pool"
        case AdaptivePool():
            return "adaptive-avgpool"
        case BatchNorm():
            return "batchnorm"
        case ResponseNorm():
            return "lrn"
        case Activation():
            return layer.kind
        case Flatten():
            return "flatten"
        case Dropout():
            return "dropout"
        case Linear():
            return "linear"


def layer_names(arch: Arch) -> tuple[str, ...]:
    """A name for each layer: its kind and its number among those of its kind (conv1, relu1, maxpool1 ...)."""
    seen: dict[str, int] = {}
    names = []
    for layer in arch.layers:
        word = kind(layer).replace("adaptive-", "")
        seen[word] = seen.get(word, 0) + 1
        names.append(f"{word}{seen[word]}")
    return tuple(names)
