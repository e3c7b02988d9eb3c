"""Cases as people name them, told apart within one report, and what all of them share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.schema.case import TIMED, Case
from reports.summary.figures import ReadBack
from reports.summary.subjects import Subject
from reports.tables.case_columns import AXES, in_words, varying
from reports.tables.case_names import case_name, network_name

_SAID_BY_NAME = ("workload", "batch")
_SHARED = ("device", "precision", "engine", "layout", "tuning", "threads")
"""Axes that a reader wants to know of even where all cases have the same value."""


def row_names(cases: Iterable[Case]) -> dict[Case, str]:
    """`VGG-16 training, batch 8, amp-bf16`: network, workload and batch, and what else tells a case from the
    others of its network."""
    subjects = _subjects(cases)
    names = varying(subjects, without=_SAID_BY_NAME)
    return {each.case: _joined(case_name(each.case), in_words(each, names)) for each in subjects}


def short_names(cases: Iterable[Case]) -> tuple[dict[Case, str], tuple[str, ...]]:
    """The names in a table, and what they share for its caption: the batch too where all have the same."""
    subjects = _subjects(cases)
    words = shared_words(each.case for each in subjects)
    batches = {each.case.batch for each in subjects}
    if len(batches) > 1 or len(subjects) < 2 or any(each.case.workload not in TIMED for each in subjects):
        return row_names(each.case for each in subjects), words
    names = varying(subjects, without=_SAID_BY_NAME)
    short = {
        each.case: _joined(f"{network_name(each.case.model)} {each.case.workload}", in_words(each, names))
        for each in subjects
    }
    return short, (*(f"batch {batch}" for batch in batches), *words)


def shared_words(cases: Iterable[Case]) -> tuple[str, ...]:
    """`cpu`, `fp32`, `eager`: what holds for all of them."""
    subjects = _subjects(cases)
    if not subjects:
        return ()
    same = [name for name in _SHARED if len({AXES[name].value(each) for each in subjects}) == 1]
    return tuple(word for name in same if (word := in_words(subjects[0], (name,))))


def _joined(*words: str) -> str:
    return ", ".join(filter(None, words))


def _subjects(cases: Iterable[Case]) -> Sequence[Subject]:
    return [Subject(case, ReadBack(), ()) for case in dict.fromkeys(cases)]
