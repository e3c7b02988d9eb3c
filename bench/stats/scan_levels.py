"""How far a window of runs must lie from the runs before it to be told. numpy is imported with it.

The last 3, 5, 8, ... 89 runs are set against the runs before them. `FALSE_ALARMS` of 90 runs is shared out
over all windows that are looked at in them, so by the union bound it holds for any 90 runs in a row.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Array = NDArray[np.float64]

WINDOWS = (3, 5, 8, 13, 21, 34, 55, 89)
EVERY = (1, 1, 2, 3, 5, 8, 13, 21)
"""A window is looked at after every so many runs, a quarter of its length: neighbors say nearly the same."""
SHARES = (0.85, 0.07, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01)
"""Of the false alarms, one for each window: most to the shortest, for a step of 3% to be told at once."""
FALSE_ALARMS = 0.0125
"""Of series without steps, in 90 runs: what the chances of all looks add up to. Looks overlap, and further
rules take alarms away, so fewer than one in 100 is seen."""
RUNS = 90
BOUNDARY_ALARMS = 0.005
"""Of marked boundaries at which nothing stepped."""
BOUNDARY_LOOKS = 5
"""The first windows, after which a marked boundary is looked at: 3, 5, 8, 13 and 21 runs."""
LEAST_FREEDOM = 2.0
_CELLS = 512


def chances() -> tuple[float, ...]:
    """Two-sided chance of a false alarm at one look, of each window."""
    return tuple(FALSE_ALARMS * share * every / RUNS for share, every in zip(SHARES, EVERY, strict=True))


@lru_cache(maxsize=2)
def _table() -> Array:
    """Quantiles of Student's t over 1 / freedom, evenly from 0 to 1/2: windows, then boundaries at any."""
    upper = 1 - np.array([*chances(), BOUNDARY_ALARMS / BOUNDARY_LOOKS])[:, None] / 2
    inverse = np.linspace(0, 1 / LEAST_FREEDOM, _CELLS + 1)[1:]
    return np.hstack([ndtri(upper), stdtrit(1 / inverse, upper)])


def thresholds(freedom: Array) -> Array:
    """By freedom (n) and window (8, then one for boundaries); infinite below two degrees of freedom."""
    table = _table()
    place = _CELLS * LEAST_FREEDOM / np.maximum(freedom, LEAST_FREEDOM)
    cell = np.minimum(place.astype(np.intp), _CELLS - 1)
    part = place - cell
    levels = table[:, cell] * (1 - part) + table[:, cell + 1] * part
    return np.where(freedom >= LEAST_FREEDOM, levels, np.inf).T
