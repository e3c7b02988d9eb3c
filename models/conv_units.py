"""Layers seen as convolutions with what belongs to them, which is how ablations take a network apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from models.arch import Activation, BatchNorm, Conv, Layer


class Unit(NamedTuple):
    """A convolution, and the batch normalisation and activation that directly follow it."""

    conv: Conv
    tail: tuple[Layer, ...] = ()


Piece: TypeAlias = Unit | Layer
"""A convolution is always in a unit; any other layer stands alone, or in a unit's tail."""


def pieces(layers: Iterable[Layer]) -> list[Piece]:
    """The layers in order, convolutions with their tails; `flat` is the inverse."""
    found: list[Piece] = []
    for layer in layers:
        last = found[-1] if found else None
        if isinstance(layer, Conv):
            found.append(Unit(layer))
        elif isinstance(layer, BatchNorm | Activation) and isinstance(last, Unit):
            found[-1] = Unit(last.conv, (*last.tail, layer))
        else:
            found.append(layer)
    return found


def flat(parts: Iterable[Piece]) -> tuple[Layer, ...]:
    """The layers of the pieces, in order."""
    layers: list[Layer] = []
    for part in parts:
        layers += (part.conv, *part.tail) if isinstance(part, Unit) else (part,)
    return tuple(layers)
