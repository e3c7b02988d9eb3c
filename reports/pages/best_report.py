"""A search for the fastest configuration -> its answer, what is left, and the table of what was tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.store import RECORDS
from bench.studies.best.search_result import Findings
from bench.studies.best.strategy import GIVE_UP, CandidateResult
from reports.cells import Cell, Quantity, Scalar
from reports.document import Document, Table
from reports.pages.best_answer import PLAIN, answer, plain_of, ratio_to_plain
from reports.summary.caches import IN_WORDS
from reports.summary.contended import not_alone
from reports.summary.figures import ReadBack, Summary, case_row
from reports.summary.pooling import summarise
from reports.summary.subjects import Subject
from reports.tables.case_columns import TableLine, scope_of, table
from reports.tables.wording import interval_notes, one_line, with_interval


def build(found: Findings, directory: Path, trained: Sequence[Path]) -> Document:
    """The report of a search in `directory`; `trained` are runs whose accuracies say whether a precision
    learns as well. Raises UserError for what cannot be read."""
    folders = [directory, *sorted(directory.glob("pairs-*/[ab]"))]
    measured = summarise([folder for folder in folders if _holds_records(folder)])
    return document(found, measured, summarise(trained) if trained else None)


def _holds_records(folder: Path) -> bool:
    file = folder / RECORDS
    return file.exists() and file.stat().st_size > 0


def document(found: Findings, measured: Summary, learned: Summary | None) -> Document:
    """The answer in words, then what was tried. `measured` has the winner's figures and the ceilings."""
    return Document(
        title="The fastest configuration",
        remarks=not_alone(measured.figures),
        text=(*answer(found, measured, learned), *_caches(found, measured)),
        tables=(*_tried_table(found), *_left_out_table(found)),
        rows=tuple(_row(one, found) for one in _in_order(found.tried)),
    )


def _caches(found: Findings, measured: Summary) -> list[str]:
    return [IN_WORDS[measured.caches]] if found.winner and measured.caches else []


def _in_order(tried: Sequence[CandidateResult]) -> list[CandidateResult]:
    """Fastest first, then what failed."""
    return sorted(tried, key=lambda one: one.images_per_second, reverse=True)


def _tried_table(found: Findings) -> Iterator[Table]:
    lines = [
        TableLine(subject=Subject(one.case, ReadBack(), ()), cells=_cells(one, found))
        for one in _in_order(found.tried)
    ]
    columns = ("step (ms)", "images/s", f"against {PLAIN}", "samples", "remark")
    notes = (
        "One process each. given up: the interval of its median lay wholly above "
        f"{GIVE_UP} times the best time so far, so that few samples were taken.",
        *interval_notes(cell for line in lines for cell in line.cells),
    )
    if lines:
        scope = scope_of([one.case for one in found.tried], machines=1)
        yield table("What was tried", columns, lines, scope, notes=notes)


def _cells(one: CandidateResult, found: Findings) -> tuple[Cell, ...]:
    if one.seconds is None:
        return (None, None, None, None, one_line(_failure(one) or ""))
    ratio = ratio_to_plain(one, found)
    certain = plain_of(one, found) is one  # against itself it is 1, whatever its interval
    step = with_interval(one.seconds, one.interval, 1e3)
    rate: Cell = one.images_per_second
    return (
        step,
        rate if step.is_resolved else Quantity(value=one.images_per_second, unresolved=True),
        None if ratio is None else with_interval(ratio.value, None if certain else ratio.interval, unit="x"),
        one.samples,
        "given up" if one.given_up else None,
    )


def _failure(one: CandidateResult) -> str | None:
    """`timeout: not finished within 120 s`"""
    if one.failure is None:
        return None
    return f"{one.failure.status}: {one.failure.reason}" if one.failure.reason else one.failure.status


def _left_out_table(found: Findings) -> Iterator[Table]:
    if found.excluded:
        rows = tuple((value, one_line(reason)) for value, reason in found.excluded.items())
        yield Table(title="Not tried", columns=("value", "reason"), rows=rows)


def _row(one: CandidateResult, found: Findings) -> dict[str, Scalar]:
    ratio = ratio_to_plain(one, found)
    fields: dict[str, Scalar] = {
        "seconds": one.seconds,
        "low": one.interval.low if one.interval else None,
        "high": one.interval.high if one.interval else None,
        "images_per_second": one.images_per_second or None,
        "speedup": ratio.value if ratio else None,
        "samples": one.samples,
        "given_up": one.given_up,
        "failure": _failure(one),
        "is_winner": one.case == found.winner,
        "caches": "warm",  # a search has no other protocol
    }
    return case_row(one.case, fields)
