"""The same network with another activation, normalisation, pooling, dropout or depth.

Pure functions from architecture to architecture, as those for kernels in `models.kernel_stacks`. What they
do not name stays as it was; asked for what a network has already, they give it back unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import structs

from models.arch import Activation, Arch, BatchNorm, Conv, Dropout, Layer, Linear, Pool, ResponseNorm
from models.conv_units import ConvUnit, Part, flat, parts_of
from models.errors import UserError
from models.kernel_stacks import stacked_groups
from models.vgg import COLUMNS

Kind = Literal["relu", "tanh", "sigmoid"]
Normalisation = Literal["none", "lrn", "bn"]
Pooling = Literal["overlapping", "2x2", "average"]
Depth = Literal[11, 13, 16, 19]

COLUMN_OF_DEPTH: dict[Depth, str] = {11: "A", 13: "B", 16: "D", 19: "E"}
"""Layers with weights -> column of table 1 in Simonyan & Zisserman 2014."""


def with_activation(arch: Arch, kind: Kind) -> Arch:
    """Every activation replaced, those between linear layers too."""
    layers = (Activation(kind) if isinstance(layer, Activation) else layer for layer in arch.layers)
    return structs.replace(arch, layers=tuple(layers))


def with_normalisation(arch: Arch, norm: Normalisation) -> Arch:
    """Every normalisation removed, and then

    none  no other
    lrn   local response normalisation ahead of the pooling of the first stage, as VGG's A-LRN has it, and of
          every stage with a kernel wider than 3x3, as AlexNet has it
    bn    batch normalisation after every convolution, as torchvision's VGGs have it
    """
    plain = tuple(layer for layer in arch.layers if not isinstance(layer, BatchNorm | ResponseNorm))
    match norm:
        case "none":
            return structs.replace(arch, layers=plain)
        case "lrn":
            return structs.replace(arch, layers=tuple(_response_normalised(plain)))
        case "bn":
            return structs.replace(arch, layers=tuple(_batch_normalised(plain)))


def _batch_normalised(layers: Iterable[Layer]) -> Iterator[Layer]:
    for layer in layers:
        yield layer
        if isinstance(layer, Conv):
            yield BatchNorm()


def _response_normalised(layers: Iterable[Layer]) -> Iterator[Layer]:
    first, widest = True, 0
    for layer in layers:
        if isinstance(layer, Conv):
            widest = max(widest, layer.kernel)
        elif isinstance(layer, Pool):
            if first or widest > 3:
                yield ResponseNorm()
            first, widest = False, 0
        yield layer


def with_pooling(arch: Arch, pooling: Pooling) -> Arch:
    """Every pooling replaced; adaptive pooling stays.

    overlapping  maximum of 3x3, stride 2, as Krizhevsky et al. 2012, section 3.4: unpadded where a network
                 has it so, else padded by 1, so that an even side is still halved (an odd one is rounded up)
    2x2          maximum of 2x2, stride 2
    average      average of 2x2, stride 2

    AlexNet's sides are odd ahead of each pooling, at 224 and 227 pixels: there 3x3 without padding and 2x2
    give the same sizes. The textbook's AlexNet-96 has 54: with 2x2 it ends at 6x6 instead of 5x5.
    """
    unpadded = Pool("max", 3, 2)

    def replacement(layer: Pool) -> Pool:
        if pooling == "overlapping":
            return unpadded if layer == unpadded else Pool("max", 3, 2, padding=1)
        return Pool("max" if pooling == "2x2" else "avg", 2, 2)

    layers = (replacement(layer) if isinstance(layer, Pool) else layer for layer in arch.layers)
    return structs.replace(arch, layers=tuple(layers))


def with_dropout(arch: Arch, p: float) -> Arch:
    """Every dropout with this probability, or removed for 0.

    Where a network has none, it comes after the activation of every hidden linear layer.
    """
    given = arch.layers
    if p > 0 and Dropout not in map(type, given):
        layers: list[Layer] = []
        for before, layer in zip((None, *given), given, strict=False):
            hidden = isinstance(before, Linear) and isinstance(layer, Activation)
            layers += (layer, Dropout(p)) if hidden else (layer,)
    else:
        kept = [layer for layer in given if p > 0 or not isinstance(layer, Dropout)]
        layers = [Dropout(p) if isinstance(layer, Dropout) else layer for layer in kept]
    return structs.replace(arch, layers=tuple(layers))


def with_depth(arch: Arch, depth: Depth) -> Arch:
    """A VGG network with as many convolutions in each stage as the VGG of that depth, its channels its own.

    UserError for a network that is not five stages of 3x3 convolutions.
    """
    *stages, rest = _stages(arch)
    columns = COLUMNS[COLUMN_OF_DEPTH[depth]].split("/")
    units = [[part for part in stage if isinstance(part, ConvUnit)] for stage in stages]
    if len(stages) != len(columns) or not all(map(_is_vgg_stage, stages)):
        raise UserError(f"depth needs a network of five stages of 3x3 convolutions, and {arch.name} is none")
    parts: list[Part] = []
    for stage, own, column in zip(stages, units, columns, strict=True):
        wanted = column.count("conv")
        parts += (own + own[-1:] * wanted)[:wanted]
        parts += stage[len(own) :]
    return structs.replace(arch, layers=flat(parts + rest))


def _stages(arch: Arch) -> list[list[Part]]:
    """What each pooling ends, and last what is left."""
    stages: list[list[Part]] = [[]]
    for part in parts_of(arch.layers):
        stages[-1].append(part)
        if isinstance(part, Pool):
            stages.append([])
    return stages


def _is_vgg_stage(stage: list[Part]) -> bool:
    units = [part for part in stage if isinstance(part, ConvUnit)]
    return bool(units) and stage[: len(units)] == units and all(stacked_groups(unit) == 1 for unit in units)
