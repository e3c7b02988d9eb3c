"""Numbers of things as people read them."""

from __future__ import annotations


def how_many(count: int, one: str, several: str | None = None) -> str:
    """`1 case`, `1,234 cases`, `2 processes`; `several` where it is more than `one` with an s."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def all_of(count: int) -> str:
    """`both`, `all 14`"""
    return "both" if count == 2 else f"all {count:,}"
