"""Lists in a sentence, of which the first few are named and the rest are counted."""

from __future__ import annotations

from collections.abc import Sequence


def and_more(names: Sequence[str], most: int) -> str:
    """`LeNet-5, AlexNet and 13 more`: the first `most` names, and how many more there are."""
    more = len(names) - most
    shown = ", ".join(names[:most])
    return f"{shown} and {more:,} more" if more > 0 else shown


def within(names: Sequence[str], most: int) -> str:
    """`LeNet-5, AlexNet and VGG-16`, or `LeNet-5, AlexNet and 13 more`: `most` parts in all."""
    if len(names) > most:
        return and_more(names, most - 1)
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
