"""Of two runs without a case in common, the two cases that are nearest to each other, and how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from msgspec import Struct

from bench.schema.case import Case
from reports.tables.case_names import case_name

_MOST_CASES = 100
"""Of each side: every one of BASE is held against every one of NEW."""
_MOST_TOLD = 3
_UNITS = {"image": " px"}


class Mismatch(Struct, frozen=True):
    """A case of each side, and for each axis in which they differ its values."""

    base: Case
    new: Case
    axes: dict[str, tuple[str, str]]

    @property
    def in_words(self) -> str:
        """`image 64 px in BASE, 28 px in NEW; batch 1 in BASE, 8 in NEW`"""
        told = [f"{axis} {one} in BASE, {other} in NEW" for axis, (one, other) in self.axes.items()]
        more = [f"{len(told) - _MOST_TOLD} more axes"] if len(told) > _MOST_TOLD else []
        return "; ".join((*told[:_MOST_TOLD], *more))

    @property
    def sentence(self) -> str:
        """`Nearest mismatch (LeNet-5 inference, batch 1): image 64 px in BASE, 28 px in NEW.`"""
        return f"Nearest mismatch ({case_name(self.base)}): {self.in_words}."


def nearest_mismatch(base: Sequence[Case], new: Sequence[Case]) -> Mismatch | None:
    """The pair that differs in the fewest axes, and then in the model last; None where a side has no case."""
    found = [
        Mismatch(one, other, axes)
        for one, other in product(base[:_MOST_CASES], new[:_MOST_CASES])
        if (axes := _differing(one, other))
    ]
    return min(found, key=lambda each: (len(each.axes), "model" in each.axes), default=None)


def _differing(one: Struct, other: Struct) -> dict[str, tuple[str, str]]:
    """Of a training run what it learns and how are axes too; recipes of two names differ in their name."""
    found: dict[str, tuple[str, str]] = {}
    for axis in one.__struct_fields__:
        mine, theirs = getattr(one, axis), getattr(other, axis)
        if axis == "replicate" or mine == theirs:
            continue
        names = getattr(mine, "name", None), getattr(theirs, "name", None)
        if isinstance(mine, Struct) and isinstance(theirs, Struct) and names[0] == names[1]:
            found |= _differing(mine, theirs)
        else:
            found[axis] = (_told(axis, mine), _told(axis, theirs))
    return found


def _told(axis: str, value: object) -> str:
    if value is None or value == "":
        return "none"
    name = getattr(value, "dataset", None) or getattr(value, "name", value)
    return f"{name}{_UNITS.get(axis, '')}"
