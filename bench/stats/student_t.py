"""Student's t and its power. scipy is imported late."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=8192)
def t_factor(freedom: float, level: float) -> float:
    """Student's t at the two-sided `level`."""
    from scipy.special import stdtrit  # 0.3 s that only a report of several processes pays

    return float(stdtrit(freedom, (1 + level) / 2))


def needed(freedom: float, power: float, level: float) -> float:
    """The effect, in standard errors, at which the interval excludes none with this power (noncentral t)."""
    from scipy.special import nctdtrinc

    return float(nctdtrinc(freedom, 1 - power, t_factor(freedom, level)))
