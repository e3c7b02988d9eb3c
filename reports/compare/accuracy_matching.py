"""Two sides' training runs of one case -> the row of their accuracies; what seeds that fell behind forbid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from bench.stats.accuracy_verdicts import difference
from reports.analysis.learned import accuracies_of
from reports.compare.comparison_rows import ComparisonRow, one_sided
from reports.summary.figures import ACCURACY, Figure, place

TO_TARGET = ("time_to_target", "energy_to_target")
"""Compared only where every seed got there: those that did not are the slowest."""


class Trained(Struct, frozen=True):
    """One side of one case: its figures, and the numbers of the processes that diverged."""

    name: str
    figures: Sequence[Figure]
    diverged: frozenset[int]

    @property
    def accuracy(self) -> Figure | None:
        """None where no seed came to an end, or nothing can be learned."""
        return next((figure for figure in self.figures if figure.metric == ACCURACY), None)

    @property
    def lost(self) -> frozenset[int]:
        """The processes without an accuracy, in whatever run."""
        return self.diverged - frozenset(self.accuracy.replicates if self.accuracy else ())


def accuracy_rows(base: Trained, new: Trained, why_not: str | None) -> Iterator[ComparisonRow]:
    """The verdict on the difference; that of a side whose seeds all diverged too.

    `why_not` says why the case is not compared.
    """
    one, other = base.accuracy, new.accuracy
    figure = one or other
    if figure is None:
        return
    gone = (one is None and base.lost) or (other is None and new.lost)
    if (why_not or one is None or other is None) and not gone:
        for found in (f for f in base.figures if f.metric == ACCURACY):
            yield one_sided(found, None, why_not or f"only in {base.name}")
        for found in (f for f in new.figures if f.metric == ACCURACY):
            yield one_sided(None, found, why_not or f"only in {new.name}")
        return
    verdict = difference(
        accuracies_of(one),
        accuracies_of(other),
        classes=figure.case.classes,
        diverged=(len(base.lost), len(new.lost)),
        names=(base.name, new.name),
    )
    yield ComparisonRow(
        case=figure.case,
        phase=place(figure),
        metric=figure.metric,
        unit=figure.unit,
        effective=figure.effective,
        base=one.median if one else None,
        new=other.median if other else None,
        **structs.asdict(verdict),
    )


def why_no_target(side: Trained) -> str | None:
    """Why the time to the target says nothing of this side; None where every seed reached it."""
    reached = {n for f in side.figures if f.metric in TO_TARGET for n in f.replicates}
    trained = {*side.diverged, *(side.accuracy.replicates if side.accuracy else ())}
    if trained <= reached:
        return None
    return f"{side.name}: {len(reached)} of {len(trained)} seeds reached the target"
