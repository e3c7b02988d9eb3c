"""What a row of a report is about, and the figures of each."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.ceiling_product import Product
from reports.summary.figures import Curve, Figure, ReadBack, Spread, effective_text

Figures = dict[tuple[str, str], Figure]
"""One subject's figures by (phase, metric)."""


def by_subject(figures: Sequence[Figure]) -> dict[Subject, Figures]:
    """The figures of each row-to-be; those of single layers and of products are left out."""
    subjects: dict[Subject, Figures] = {}
    for figure in figures:
        if figure.layer is None and figure.product is None:
            subjects.setdefault(subject_of(figure), {})[figure.phase, figure.metric] = figure
    return subjects


def by_product(figures: Sequence[Figure]) -> dict[tuple[Subject, Product], dict[str, Figure]]:
    """The figures of each product of each ceiling, by metric."""
    products: dict[tuple[Subject, Product], dict[str, Figure]] = {}
    for figure in figures:
        if figure.product is not None:
            products.setdefault((subject_of(figure), figure.product), {})[figure.metric] = figure
    return products


class Subject(Struct, frozen=True):
    """What one row of a table is about."""

    case: Case
    effective: ReadBack
    machine: tuple[str, ...]
    network: str = ""

    @property
    def name(self) -> str:
        """Unlike that of any other subject of a report."""
        return " ".join(
            filter(None, (self.case.id, self.network, *self.machine, effective_text(self.effective)))
        )


def subject_of(found: Figure | Curve | Spread) -> Subject:
    """Figures of one subject share a row."""
    return Subject(found.case, found.effective, found.machine, found.network)
