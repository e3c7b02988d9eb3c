"""The report of `max-batch`: the largest batches, what they were predicted from, and all that was run."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from bench.studies.max_batch.batch_search import CLOSE, LargestBatch
from reports.cells import Cell, Scalar
from reports.document import Document, Table
from reports.summary.figures import ReadBack, case_row
from reports.summary.subjects import Subject
from reports.tables.case_columns import TableLine, scope_of, table
from reports.tables.wording import MIB, one_line

_WITHOUT = ("batch",)
NOTES = (
    "predicted: by the line through the peaks of the small batches below, which is so much fixed memory and "
    "so much for an image. verified: the largest batch that was run and fitted. peak: its own. refused: the "
    "smallest that was run and did not; on a CPU no batch is run that is not expected to fit.",
    f"The search ends where no batch is left that is more than {CLOSE:.0%}, or one image, larger.",
)
RUNS_NOTE = (
    "peak: of a whole step, on a GPU as its allocator counts, on a CPU what the process holds beyond what it "
    "held before the model was made."
)


def document(answers: Sequence[LargestBatch]) -> Document:
    """A table of answers, a table of runs, and a row for each answer."""
    return Document(
        title="convbench max-batch",
        tables=(_answers(answers), _runs(answers)),
        rows=tuple(_row(answer) for answer in answers),
    )


def _answers(answers: Sequence[LargestBatch]) -> Table:
    columns = (
        "limit (MiB)",
        "predicted",
        "verified",
        "verified - predicted",
        "peak (MiB)",
        "refused",
        "fixed (MiB)",
        "an image (MiB)",
        "remark",
    )
    lines = [TableLine(subject=_subject(answer), cells=_cells(answer)) for answer in answers]
    scope = scope_of([answer.case for answer in answers], 1)
    return table("Largest batch", columns, lines, scope, without=_WITHOUT, notes=NOTES)


def _cells(answer: LargestBatch) -> tuple[Cell, ...]:
    return (
        answer.limit / MIB,
        answer.predicted,
        answer.verified,
        _difference(answer),
        None if answer.peak is None else answer.peak / MIB,
        answer.refused,
        None if answer.line is None else answer.line.fixed / MIB,
        None if answer.line is None else answer.line.per_image / MIB,
        None if answer.remark is None else one_line(answer.remark),
    )


def _runs(answers: Sequence[LargestBatch]) -> Table:
    lines = [
        TableLine(
            subject=_subject(answer),
            cells=(
                each.batch,
                each.status,
                None if each.peak is None else each.peak / MIB,
                "yes" if each.fits else "no",
            ),
        )
        for answer in answers
        for each in answer.tries
    ]
    columns = ("batch", "status", "peak (MiB)", "fits")
    scope = scope_of([answer.case for answer in answers], 1)
    return table("What was run", columns, lines, scope, without=_WITHOUT, notes=(RUNS_NOTE,))


def _subject(answer: LargestBatch) -> Subject:
    return Subject(answer.case, ReadBack(), ())


def _difference(answer: LargestBatch) -> int | None:
    if answer.verified is None or answer.predicted is None:
        return None
    return answer.verified - answer.predicted


def _row(answer: LargestBatch) -> dict[str, Scalar]:
    """Flat; `batch` is the verified one, and 0 where there is none."""
    case = structs.replace(answer.case, batch=answer.verified or 0)
    return case_row(
        case,
        {
            "predicted": answer.predicted,
            "verified": answer.verified,
            "difference": _difference(answer),
            "bytes_per_image": None if answer.line is None else answer.line.per_image,
            "fixed_bytes": None if answer.line is None else answer.line.fixed,
            "peak_bytes": answer.peak,
            "limit_bytes": answer.limit,
            "refused": answer.refused,
            "runs": len(answer.tries),
            "remark": answer.remark,
        },
    )
