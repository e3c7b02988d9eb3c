"""The fewest of something that are enough, where more are enough too. Pure."""

from __future__ import annotations

from collections.abc import Callable


def fewest(is_enough: Callable[[int], bool], too_few: int, enough: int) -> int:
    """By bisection: asked of thousands of cases, and each answer may cost a quantile."""
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if is_enough(middle) else (middle, enough)
    return enough
