"""A number of bytes as a person reads it."""

from __future__ import annotations

from reports.cells import brief

_KIB = 2**10
_MIB = 2**20


def size_in_words(size: float) -> str:
    """`12 KiB`, `598 MiB`, `23.5 GiB`"""
    if size < _MIB:
        return f"{brief(max(1.0, size / _KIB))} KiB"
    return f"{brief(size / _MIB)} MiB" if size < 1024 * _MIB else f"{brief(size / (1024 * _MIB))} GiB"
