"""The tests of a fleet as columns: short names, and what all of them share."""

from __future__ import annotations

from collections.abc import Sequence

from bench.schema.case import Case
from reports.summary.figures import ReadBack
from reports.summary.subjects import Subject
from reports.tables.case_columns import AXES, in_words, varying
from reports.tables.case_names import network_name

_SAID_BY_NAME = ("workload", "batch")
_SHARED = ("device", "precision", "engine", "layout", "tuning", "threads")
_WORKLOADS = {"inference": "inf.", "training": "train."}


def column_names(tests: Sequence[Case]) -> tuple[str, ...]:
    """`VGG-16 train. b8`, and what else tells a case from the others."""
    subjects = [Subject(case, ReadBack(), ()) for case in tests]
    axes = varying(subjects, without=_SAID_BY_NAME)
    return tuple(
        " ".join(filter(None, (_name(each.case), in_words(each, axes).replace(", ", " "))))
        for each in subjects
    )


def _name(case: Case) -> str:
    return f"{network_name(case.model)} {_WORKLOADS.get(case.workload, case.workload)} b{case.batch}"


def shared_by(tests: Sequence[Case]) -> tuple[str, ...]:
    """`cuda`, `fp32`, `eager`: what holds for all of them."""
    subjects = [Subject(case, ReadBack(), ()) for case in tests]
    same = [name for name in _SHARED if len({AXES[name].value(each) for each in subjects}) == 1]
    return tuple(word for name in same if (word := in_words(subjects[0], (name,))))
