"""What lets 100,000 records fit: equal values as one object, and what is made of an object made once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=Hashable)
Source = TypeVar("Source")
Made = TypeVar("Made")


class Interner:
    """Returns the first of all equal values it was called with, so that the others can be forgotten."""

    def __init__(self) -> None:
        self._first: dict[Hashable, Any] = {}

    def __call__(self, value: T) -> T:
        first: T = self._first.setdefault(value, value)
        return first


class OncePerObject(Generic[Source, Made]):
    """Calls a function once for each object, and keeps the objects: for those that many records share."""

    def __init__(self, make: Callable[[Source], Made]) -> None:
        self._make = make
        self._made: dict[int, tuple[Source, Made]] = {}

    def __call__(self, value: Source) -> Made:
        if id(value) not in self._made:
            self._made[id(value)] = value, self._make(value)
        return self._made[id(value)][1]


@contextmanager
def uncollected() -> Iterator[None]:
    """Without garbage collection: what is made of records has no cycles, and a collection that looks at all
    of it again and again takes half as long as reading."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
