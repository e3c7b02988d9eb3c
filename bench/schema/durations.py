"""Durations as people read them."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0


def in_words(seconds: float) -> str:
    """`0.4 s`, `14 s`, `9 minutes`, `2.5 hours`, `3 days`."""
    if seconds < 0.95:
        return f"{seconds:.1f} s"
    if seconds < 1.5 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 1.5 * _HOUR:
        return f"{seconds / _MINUTE:.0f} minutes"
    if seconds < 2 * _DAY:
        return f"{round(seconds / _HOUR, 1 if seconds < 10 * _HOUR else 0):g} hours"
    return f"{seconds / _DAY:.0f} days"


def about(seconds: float) -> str:
    """`about 50 s`, `about 4 minutes`, `about 3 hours`: of an estimate, which is no shorter than a second."""
    return f"about {in_words(max(seconds, 1))}"
