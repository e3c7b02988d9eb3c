"""What a row of a report is about, and the figures of each."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bench.schema.case import Case
from reports.summary.figures import Effective, Figure

Figures = dict[tuple[str, str], Figure]
"""One subject's figures by (phase, metric)."""


def by_subject(figures: Sequence[Figure]) -> dict[Subject, Figures]:
    """The figures of each row-to-be."""
    subjects: dict[Subject, Figures] = {}
    for figure in figures:
        subjects.setdefault(subject_of(figure), {})[figure.phase, figure.metric] = figure
    return subjects


class Subject(Struct, frozen=True):
    """What one row of a table is about."""

    case: Case
    effective: Effective
    machine: tuple[str, ...]


def subject_of(figure: Figure) -> Subject:
    """Figures of one subject share a row."""
    return Subject(figure.case, figure.effective, figure.machine)
