"""Arch -> nn.Module: a plain chain of torch's own layers, made once, on the device it will run on."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from models.arch import (
    Activation,
    AdaptivePool,
    Arch,
    BatchNorm,
    Conv,
    Dropout,
    Flatten,
    Init,
    Layer,
    Linear,
    Pool,
    ResponseNorm,
    layer_names,
)
from models.closed_form import Shape, shapes
from models.tiled_weights import DRAWS, TiledWeights


def build(
    arch: Arch,
    *,
    channels: int | None = None,
    image: int | None = None,
    classes: int | None = None,
    init: Init | Literal["tiled"] = "xavier",
    device: torch.device | str = "cpu",
) -> nn.Sequential:
    """The network, in training mode; what is not given is the network's own default.

    Takes (batch, channels, image, image) and gives (batch, classes). Its parts carry the names of
    `models.arch.layer_names`. Raises models.closed_form.ImageTooSmallError.
    """
    outputs = shapes(arch, channels=channels, image=image, classes=classes)
    inputs: tuple[Shape, ...] = ((arch.channels if channels is None else channels,), *outputs[:-1])
    # On meta nothing is allocated or initialised, so that the weights are written once, where they stay.
    with torch.device("meta"):
        parts = map(_part, arch.layers, inputs, outputs)
        module = nn.Sequential(OrderedDict(zip(layer_names(arch), parts, strict=True)))
    # Not `to_empty`, whose empty_like of a tensor on meta imports sympy: half a second.
    module._apply(lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype, device=device))
    initialise(module, init)
    return module


def _part(layer: Layer, given: Shape, output: Shape) -> nn.Module:
    match layer:
        case Conv(channels, kernel, stride, padding, groups):
            return nn.Conv2d(given[0], channels, kernel, stride, padding, groups=groups)
        case Pool("max", kernel, stride, padding):
            return nn.MaxPool2d(kernel, stride, padding)
        case Pool(_, kernel, stride, padding):
            return nn.AvgPool2d(kernel, stride, padding)
        case AdaptivePool(size):
            return nn.AdaptiveAvgPool2d(size)
        case BatchNorm():
            return nn.BatchNorm2d(given[0])
        case ResponseNorm(neighbours, alpha, beta, k, groups):
            # torch divides alpha by the number of neighbours; the paper does not.
            norm = nn.LocalResponseNorm if groups == 1 else partial(GroupedResponseNorm, groups)
            return norm(neighbours, alpha * neighbours, beta, k)
        case Activation("relu"):
            # In place, as torchvision does: it decides how much memory training takes.
            return nn.ReLU(inplace=True)
        case Activation("sigmoid"):
            return nn.Sigmoid()
        case Activation():
            return nn.Tanh()
        case Flatten():
            return nn.Flatten()
        case Dropout(p):
            return nn.Dropout(p)
        case Linear():
            return nn.Linear(given[0], output[0])


class GroupedResponseNorm(nn.LocalResponseNorm):
    """Local response normalization inside each of so many groups of channels."""

    def __init__(self, groups: int, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__(size, alpha, beta, k)
        self.groups = groups

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same."""
        return torch.cat(
            [super(GroupedResponseNorm, self).forward(each) for each in maps.chunk(self.groups, 1)], 1
        )


@torch.no_grad()
def initialise(module: nn.Module, init: Init | Literal["tiled"]) -> None:
    """Give every parameter and buffer its first value.

    xavier   uniform (Glorot & Bengio 2010) for the weights, torch's own default for the biases, as the
             textbook does
    he       normal by fan-in for ReLU (He et al. 2015, section 2.2) for all weights, biases 0
    kaiming  as torchvision does for VGG: normal by fan-out for convolutions, normal with a standard
             deviation of 0.01 for linear layers, biases 0
    normal   with a standard deviation of 0.01 everywhere, biases 0 (Krizhevsky et al. 2012, section 5, who
             besides set the biases of AlexNet's second, fourth and fifth convolution and of its hidden
             linear layers to 1: places that no other network has)
    default  torch's own
    tiled    xavier's values, but of a million draws that all weights share (`models.tiled_weights`); for
             CPUs. A network that has fewer weights draws each
    """
    xavier: Callable[[Tensor], object] = nn.init.xavier_uniform_
    if init == "tiled":
        init = "xavier"
        if sum(parameter.numel() for parameter in module.parameters()) > DRAWS:
            xavier = TiledWeights().xavier_uniform_
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_parameters()
        elif isinstance(part, nn.Conv2d | nn.Linear):
            _initialise(part, init, xavier)


def _initialise(part: nn.Conv2d | nn.Linear, init: Init, xavier: Callable[[Tensor], object]) -> None:
    if init == "default":
        part.reset_parameters()
        return
    assert part.bias is not None
    if init == "xavier":
        xavier(part.weight)
        bound = 1 / math.sqrt(part.weight[0].numel())
        nn.init.uniform_(part.bias, -bound, bound)
        return
    if init == "he":
        nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    elif init == "kaiming" and isinstance(part, nn.Conv2d):
        nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    else:
        nn.init.normal_(part.weight, 0, 0.01)
    nn.init.zeros_(part.bias)


def torchvision_names(arch: Arch) -> dict[str, str]:
    """Torchvision's name of each part -> ours, for the networks that both have.

    Torchvision numbers what comes before its adaptive pooling `features.N` and what comes after `Flatten`
    `classifier.N`, both from 0 and counting layers without weights.
    """
    flatten = next(i for i, layer in enumerate(arch.layers) if isinstance(layer, Flatten))
    return {
        f"features.{i}" if i < flatten else f"classifier.{i - flatten - 1}": name
        for i, name in enumerate(layer_names(arch))
        if isinstance(arch.layers[i], Conv | BatchNorm | Linear)
    }


def from_torchvision(arch: Arch, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of torchvision's network under our names; raises KeyError for a part that we lack."""
    names = torchvision_names(arch)
    ours = {}
    for key, value in state.items():
        part, _, tensor = key.rpartition(".")
        ours[f"{names[part]}.{tensor}"] = value
    return ours
