"""Networks that are a chain of layers, of which some are split over ranks: who may be, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.schema.case import Case
from models import catalogue
from models.arch import Arch, Linear, layer_names

if TYPE_CHECKING:
    from torch import nn


def chain_of(case: Case) -> Arch | str:
    """The network as data, or a sentence why it cannot be split."""
    arch = catalogue.arch_of(case.model)
    if arch is None:
        return (
            f"{case.strategy} splits networks of the catalogue, layer by layer, and {case.model} is not one; "
            "ddp and fsdp take any network"
        )
    if not any(isinstance(layer, Linear) for layer in arch.layers):
        return f"{case.strategy} splits linear layers, and {case.model} has none"
    return arch


def why_no_split(name: str, produced: int, ranks: int, what: str) -> str | None:
    """A sentence where a layer's outputs do not divide."""
    if produced % ranks:
        return f"{name} has {produced:,} {what}, which do not divide among {ranks:,} ranks"
    return None


def linear_sizes(arch: Arch, case: Case) -> dict[str, int]:
    """The outputs of each linear layer, by its name."""
    named = zip(layer_names(arch), arch.layers, strict=True)
    return {name: layer.features or case.classes for name, layer in named if isinstance(layer, Linear)}


def part_of_linear(layer: nn.Linear, rank: int, ranks: int) -> nn.Linear:
    """The rows of one rank: it makes its part of the outputs from all inputs."""
    from torch import nn

    part = nn.Linear(layer.in_features, layer.out_features // ranks, layer.bias is not None, device="meta")
    _take_part(part, layer, rank, ranks)
    return part


def part_of_conv(layer: nn.Conv2d, rank: int, ranks: int) -> nn.Conv2d:
    """The kernels of one rank. Of a convolution in as many groups as there are ranks it is one group."""
    from torch import nn

    inputs = layer.in_channels // layer.groups
    made = nn.Conv2d(inputs, layer.out_channels // ranks, 1, bias=layer.bias is not None, device="meta")
    made.kernel_size, made.stride, made.padding = layer.kernel_size, layer.stride, layer.padding
    made._reversed_padding_repeated_twice = layer._reversed_padding_repeated_twice
    _take_part(made, layer, rank, ranks)
    return made


def _take_part(part: nn.Module, layer: nn.Linear | nn.Conv2d, rank: int, ranks: int) -> None:
    """Give it one part of the layer's weights, in their layout and not in their storage."""
    import torch
    from torch import nn

    for name, weight in layer.named_parameters():
        own = weight.detach().chunk(ranks)[rank].clone(memory_format=torch.preserve_format)
        setattr(part, name, nn.Parameter(own))
