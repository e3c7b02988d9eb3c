"""The report of training runs: their own first screen, and the parts of every run's report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from reports.analysis.learned import training_runs
from reports.document import Document
from reports.pages import run_report
from reports.pages.train_answer import answer
from reports.summary.figures import Summary
from reports.summary.pooling import summarise


def build(directories: Sequence[Path], *, plain_intervals: bool = False) -> Document:
    """The report of these runs, with the answer of training runs where they hold nothing else.

    Raises UserError for a directory without readable records.
    """
    summary = summarise(directories, plain_intervals)
    document = run_report.document(summary, directories)
    return with_answer(document, summary, directories)


def with_answer(document: Document, summary: Summary, directories: Sequence[Path]) -> Document:
    """The same document; of training runs alone with their title and answer."""
    runs = training_runs(summary)
    if not runs or any(figure.case.task is None for figure in summary.figures):
        return document
    title, found = answer(summary, runs, directories)
    return structs.replace(document, title=title, answer=found, remarks=())
