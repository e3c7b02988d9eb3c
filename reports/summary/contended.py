"""Whether the machine was a run's alone, as its processes say (`contended`)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

from bench import devices
from bench.schema.case import Case
from bench.schema.case_warnings import CONTENDED
from bench.schema.plurals import how_many
from bench.schema.record import Record
from reports.summary.figures import Figure
from reports.summary.subjects import subject_of

MOST_CONTENDED = 0.25
"""Above this share of rows the machine was not the run's alone: that stands ahead of every figure."""


def not_alone(figures: Iterable[Figure], whose: str = "This run") -> tuple[str, ...]:
    """A sentence where more than MOST_CONTENDED of the cases on a processor had neighbours there, else none.

    A case counts once, whatever it has of figures. Those on other devices are left out, since neighbours of
    the host do not make their figures wrong, and training runs, of which nobody watches the neighbours.
    """
    return _sentence(_marks(figures), whose)


def _marks(figures: Iterable[Figure]) -> Iterator[tuple[Hashable, Case, bool]]:
    """Each with its row and case, and whether it was contended."""
    yield from ((subject_of(each), each.case, "contended" in each.tags) for each in figures)


def neither_alone(base: Sequence[Figure], new: Sequence[Figure], names: tuple[str, str]) -> tuple[str, ...]:
    """A single sentence where neither of two runs had the machine to itself; of one of them that of
    `not_alone`."""
    told = tuple(not_alone(figures, name) for figures, name in zip((base, new), names, strict=True))
    if not all(told):
        return (*told[0], *told[1])
    counts = (
        f"{count:,} of {how_many(rows, 'case')} in {name}"
        for (count, rows), name in zip(map(_counts, map(_marks, (base, new))), names, strict=True)
    )
    return (
        f"In {' and in '.join(names)} other programs were at work: they took more than {CONTENDED:.0%} of "
        f"CPU time in {' and '.join(counts)} (contended). These times are too long, by more than the "
        "intervals show.",
    )


def records_not_alone(records: Iterable[Record], whose: str = "This run") -> tuple[str, ...]:
    """The same of records that are not summed up."""
    ended = (record for record in records if record.status == "ok")
    return _sentence(
        (
            (case, case, any(warning.label == "contended" for warning in record.warnings))
            for record in ended
            if (case := record.case.without_replicate())
        ),
        whose,
    )


def _sentence(marks: Iterable[tuple[Hashable, Case, bool]], whose: str) -> tuple[str, ...]:
    count, rows = _counts(marks)
    if count <= MOST_CONTENDED * rows:
        return ()
    return (
        f"{whose} shared the machine: other programs took more than {CONTENDED:.0%} of CPU time in "
        f"{count:,} of {how_many(rows, 'case')} (contended). Their times are too long, by more than the "
        "intervals show.",
    )


def _counts(marks: Iterable[tuple[Hashable, Case, bool]]) -> tuple[int, int]:
    """How many rows were contended, and how many there are; one row may come several times."""
    contended: dict[Hashable, bool] = {}
    for row, case, mark in marks:
        if case.task is None and devices.traits(case.device).is_host:
            contended[row] = contended.get(row, False) or mark
    return sum(contended.values()), len(contended)
