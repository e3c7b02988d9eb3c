"""Sizes of which one process a side speaks for all: a row without a test, since there is nothing to test."""

from __future__ import annotations

import math

from bench import devices
from bench.schema.metrics import SIZES_OF_TENSORS, is_of
from bench.stats.estimates import centre
from bench.stats.verdicts import TimeWord
from reports.compare.comparison_rows import ComparisonRow
from reports.summary.figures import Figure, place

RESIDENT_SCATTER = 0.05
"""Of 66 cases on two cores, two or three processes of a run each, the resident peaks of a case were within
2.0% of each other, half of them within 0.3%. What differs by more than this is no accident."""
_WITHIN_SCATTER = (
    f"with one process on a side, resident peaks differ by up to {RESIDENT_SCATTER:.0%} by chance"
)
_ASKED_ONCE = (
    "the parts of a peak come from one process, and other processes may have chosen other algorithms"
)


def row_of_sizes(base: Figure, new: Figure, margin: float) -> ComparisonRow | None:
    """None where the rule of processes holds: both sides have several, or those of one side differ."""
    scatter = _scatter(base)
    if scatter is None or min(len(base.medians), len(new.medians)) > 1:
        return None
    if min(*base.medians, *new.medians) <= 0:
        return None
    if not scatter and (len(set(base.medians)) > 1 or len(set(new.medians)) > 1):
        return None
    ratio = centre(new.medians) / centre(base.medians)
    word = _word(ratio, margin, scatter)
    return ComparisonRow(
        case=base.case,
        phase=place(base),
        metric=base.metric,
        unit=base.unit,
        effective=base.effective,
        base=base.median,
        new=new.median,
        ratio=ratio,
        low=None if scatter else ratio,
        high=None if scatter else ratio,
        verdict=word,
        detectable=None if math.isinf(scatter) else scatter,
        n_base=len(base.medians),
        n_new=len(new.medians),
        reason=_reason(scatter) if word == "inconclusive" else None,
    )


def _word(ratio: float, margin: float, scatter: float) -> TimeWord:
    if ratio == 1 or (1 - margin <= ratio <= 1 + margin and not math.isinf(scatter)):
        return "equivalent"
    if 1 - scatter <= ratio <= 1 + scatter:
        return "inconclusive"
    return "slower" if ratio > 1 else "faster"


def _reason(scatter: float) -> str:
    return _ASKED_ONCE if math.isinf(scatter) else _WITHIN_SCATTER


def _scatter(figure: Figure) -> float | None:
    """By how much processes of one case differ in a size, as a share; None for what each process is asked.

    On an accelerator a peak depends on the algorithms that a process has chosen: nobody knows by how much.
    """
    if figure.unit != "bytes":
        return None
    if figure.metric in SIZES_OF_TENSORS:
        return 0.0
    is_host = devices.traits(figure.case.device).is_host
    if is_of(figure.metric, "ledger"):
        return 0.0 if is_host else math.inf  # on a host it is of tensors alone
    return RESIDENT_SCATTER if is_host and figure.metric == "peak_resident" else None
