"""How wide an interval is, as a person reads it while a run goes on and at its end."""

from __future__ import annotations

_MOST_TOLD = 10.0
"""An interval that reaches beyond ten times its figure says nothing, and its width neither."""


def in_words(half: float, sign: str = "") -> str:
    """`0.56%`, `±7.1%`, `280%`, `more than ±1,000%`: half a width, a share of the figure."""
    if half > _MOST_TOLD:
        return f"more than {sign}{100 * _MOST_TOLD:,.0f}%"
    return sign + (f"{100 * half:.2g}%" if 100 * half < 99.5 else f"{100 * half:,.0f}%")
