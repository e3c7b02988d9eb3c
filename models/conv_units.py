"""Layers seen as convolutions with what belongs to them, which is how ablations take a network apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from models.arch import Activation, BatchNorm, Conv, Layer


class ConvUnit(NamedTuple):
    """A convolution, and the batch normalisation and activation that directly follow it."""

    conv: Conv
    tail: tuple[Layer, ...] = ()


Part: TypeAlias = ConvUnit | Layer
"""A convolution is always in a unit; any other layer stands alone, or in a unit's tail."""


def parts_of(layers: Iterable[Layer]) -> list[Part]:
    """The layers in order, convolutions with their tails; `flat` is the inverse."""
    found: list[Part] = []
    for layer in layers:
        last = found[-1] if found else None
        if isinstance(layer, Conv):
            found.append(ConvUnit(layer))
        elif isinstance(layer, BatchNorm | Activation) and isinstance(last, ConvUnit):
            found[-1] = ConvUnit(last.conv, (*last.tail, layer))
        else:
            found.append(layer)
    return found


def flat(parts: Iterable[Part]) -> tuple[Layer, ...]:
    """The layers of the pieces, in order."""
    layers: list[Layer] = []
    for part in parts:
        layers += (part.conv, *part.tail) if isinstance(part, ConvUnit) else (part,)
    return tuple(layers)
