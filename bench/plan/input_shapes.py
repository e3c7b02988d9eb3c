"""The axis `input`: the shape of one input, `3x224x320`, and what it is to the axes of square images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from bench.schema.case import shape_of
from models.errors import UserError

Values = TypeVar("Values")

MOST_DIMENSIONS = 4
LARGEST = 10_000_000
"""Of one dimension: a minute of sound at 48 kHz has three millions."""
SIZES = ("image", "channels")
"""Axes that say the same of a square image."""


def read(value: object) -> str:
    """A shape as it stands in a case, without leading zeros. Raises UserError."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9}){0,3}", value):
        raise UserError(
            f"input must be 1 to {MOST_DIMENSIONS} sizes joined by x, channels first, without the batch"
            f" (3x224x320, 64x1000, 3x16x112x112), got {value!r}"
        )
    sizes = shape_of(value)
    if not all(1 <= size <= LARGEST for size in sizes):
        raise UserError(f"each size of input must be from 1 to {LARGEST:,}, got {value}")
    return "x".join(map(str, sizes))


def refuse_both(axes: Mapping[str, object], where: str) -> None:
    """UserError where a block or the options name a shape and the sides or channels of a square image."""
    named = [size for size in SIZES if size in axes]
    if "input" in axes and named:
        raise UserError(f"{where}: input already gives channels and image size. Omit {' and '.join(named)}")


def merged(block: Mapping[str, Values], given: Mapping[str, object]) -> dict[str, Values]:
    """A block without what the options say in another way."""
    replaced = SIZES if "input" in given else ("input",) if set(SIZES) & given.keys() else ()
    return {axis: values for axis, values in block.items() if axis not in replaced}


def of_input(text: str) -> dict[str, str | int]:
    """The fields of a case for a shape. A square image is what it is without this axis."""
    channels, *sides = shape_of(text)
    if len(sides) == 2 and sides[0] == sides[1]:
        return {"channels": channels, "image": sides[0]}
    return {"channels": channels, "input": text}
