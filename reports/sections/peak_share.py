"""The share of the peak that limits a step, as one figure: `55% compute-bound`."""

from __future__ import annotations

from msgspec import structs

from reports.analysis.utilisation import Utilisation
from reports.cells import FOLLOWS_FROM_UNRESOLVED, Cell, Quantity, brief
from reports.tables.wording import with_interval


def peak_share(found: Utilisation) -> tuple[Quantity, str] | None:
    """The larger of the two shares in whole percent, and of what; None unless both are resolved.

    A share of bandwidth above 100% says that caches spare the memory, and is none of a peak.
    """
    shares = [(found.utilisation, "compute"), (found.bandwidth_share, "memory")]
    known = [
        (with_interval(share.value, share.interval), what) for share, what in shares if share is not None
    ]
    if len(known) < 2 or not all(cell.is_resolved for cell, _ in known):
        return None
    cell, what = max(known, key=lambda each: each[0].value)
    if cell.value > 1:
        return None
    ends = None if cell.low is None or cell.high is None else (100 * cell.low, 100 * cell.high)
    low, high = ends or (None, None)
    return Quantity(value=100 * cell.value, low=low, high=high, unit="%", digits=0, of_one=cell.of_one), what


def is_open(found: Utilisation) -> bool:
    """Whether a share of a peak was measured whose interval leaves it no number."""
    shares = (share for share in (found.utilisation, found.bandwidth_share) if share is not None)
    return not all(with_interval(share.value, share.interval).is_resolved for share in shares)


def limit_cell(found: Utilisation) -> Cell:
    """`55% compute-bound`; the label alone where no share is a number, a mark where the time is none,
    and nothing where no peak was measured."""
    if found.bound is None or (found.arithmetic is None and found.bandwidth is None):
        return None
    if not with_interval(found.time.median, found.time.interval).is_resolved:
        return FOLLOWS_FROM_UNRESOLVED
    share = peak_share(found)
    number = brief(structs.replace(share[0], interval="unwritten")) if share else ""
    return f"{number} {found.bound.label}".strip()
