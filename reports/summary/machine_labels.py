"""The labels A, B, ... of environments, in the order in which they come, and several of them as text."""

from __future__ import annotations

from collections.abc import Sequence

MOST_LABELS = 6
"""Of a figure's environments that are named one by one."""


def machine_text(labels: Sequence[str]) -> str:
    """`A`, `A+B`, `A+B+...+ALL (1,000)`"""
    if len(labels) <= MOST_LABELS:
        return "+".join(labels)
    return f"{labels[0]}+{labels[1]}+...+{labels[-1]} ({len(labels):,})"


def listed(labels: Sequence[str]) -> str:
    """`A, B`, `A, B and 998 more`"""
    if len(labels) <= MOST_LABELS:
        return ", ".join(labels)
    return f"{labels[0]}, {labels[1]} and {len(labels) - 2:,} more"


def label_of(index: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
