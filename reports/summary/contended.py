"""Whether the machine was a run's alone, as its processes say (`contended`)."""

from __future__ import annotations

from collections.abc import Iterable

from bench import devices
from bench.schema.case_warnings import CONTENDED
from reports.summary.figures import Figure

MOST_CONTENDED = 0.25
"""Above this share of rows the machine was not the run's alone: that stands ahead of every figure."""


def not_alone(figures: Iterable[Figure], whose: str = "this run") -> tuple[str, ...]:
    """A sentence where more than MOST_CONTENDED of the cases on a processor had neighbours there, else none.

    A case counts once, whatever it has of figures. Those on other devices are left out: neighbours of the
    host do not make their figures wrong.
    """
    contended: dict[tuple[object, ...], bool] = {}
    for figure in figures:
        if devices.traits(figure.case.device).is_host:
            subject = (figure.case, figure.effective, figure.machine, figure.network)
            contended[subject] = contended.get(subject, False) or "contended" in figure.tags
    count, rows = sum(contended.values()), len(contended)
    if count <= MOST_CONTENDED * rows:
        return ()
    return (
        f"The machine was not {whose}'s alone: in {count:,} of {rows:,} cases on the CPU other programs took "
        f"more than {CONTENDED:.0%} of the threads' time (contended). These figures are too slow, by an "
        "amount that no interval holds.",
    )
