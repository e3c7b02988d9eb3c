"""The report of `max-batch`: the largest batches, then how they were found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bench import devices
from bench.schema.plurals import how_many
from bench.studies.max_batch.batch_search import CLOSE, LargestBatch
from reports.cells import Cell, Scalar
from reports.document import Answer, Document, NextStep, Part, Table
from reports.summary.figures import ReadBack, case_row
from reports.summary.subjects import Subject
from reports.tables.case_columns import TableLine, in_words, scope_of, table, varying
from reports.tables.case_command import run_command
from reports.tables.case_names import network_name
from reports.tables.size_words import size_in_words
from reports.tables.wording import MIB, one_line

MOST_HEADLINES = 4
_WITHOUT = ("batch",)
SEARCH = Part("search", "How the batch sizes were found")
NOTES = (
    "predicted: batch size by a straight line through the peaks of small batches, which is fixed memory plus "
    "memory per image. verified: the largest batch size that ran and fitted. refused: the smallest that ran "
    "and did not fit; on a CPU no batch runs that is not expected to fit.",
    f"The search ends when the next batch size to try is less than {CLOSE:.0%}, or one image, larger.",
)
RUNS_NOTE = (
    "peak: of a whole step; on a GPU as its allocator counts, on a CPU peak RSS minus what the process used "
    "before building the model."
)


def document(answers: Sequence[LargestBatch]) -> Document:
    """A sentence for each answer, how it was found, and a row for each answer."""
    names = _names(answers)
    headlines = [_headline(answer, name) for answer, name in zip(answers, names, strict=True)]
    more = len(headlines) - MOST_HEADLINES
    return Document(
        title="Largest batch size that fits",
        answer=Answer(
            about=_about(answers),
            headlines=(*headlines[:MOST_HEADLINES], *([f"And {more} more."] if more > 0 else [])),
            table=_table(answers, names) if len(answers) > 1 else None,
            warnings=" ".join(_warnings(answers, names)),
            next_step=_next(answers),
        ),
        tables=(_found(answers), _runs(answers)),
        rows=tuple(_row(answer) for answer in answers),
    )


def _about(answers: Sequence[LargestBatch]) -> str:
    """`cpu · 12 batch sizes run`"""
    places = ", ".join(dict.fromkeys(answer.case.device for answer in answers))
    runs = sum(len(answer.tries) for answer in answers)
    return f"{places} · {how_many(runs, 'batch size')} run"


def _names(answers: Sequence[LargestBatch]) -> list[str]:
    """`LeNet-5 training`, and what else tells a case apart."""
    subjects = [_subject(answer) for answer in answers]
    axes = varying(subjects, without=(*_WITHOUT, "workload"))
    return [
        ", ".join(
            filter(None, (f"{network_name(each.case.model)} {each.case.workload}", in_words(each, axes)))
        )
        for each in subjects
    ]


def _headline(answer: LargestBatch, name: str) -> str:
    """`LeNet-5 training: batch 5,124 fits in 600 MiB (peak 598 MiB); batch 5,227 does not.`"""
    limit = size_in_words(answer.limit)
    if answer.verified is None:
        told = f"no batch size was found that fits in {limit}"
        return f"{name}: {told if answer.remark is None else one_line(answer.remark)}."
    peak = "" if answer.peak is None else f" (peak {size_in_words(answer.peak)})"
    return f"{name}: batch {answer.verified:,} fits in {limit}{peak}{_next_larger(answer)}."


def _next_larger(answer: LargestBatch) -> str:
    """What is known of larger batches: nothing where the search ended early."""
    if answer.remark is not None:
        return ""
    if answer.refused is not None:
        return f"; batch {answer.refused:,} does not"
    if devices.get(answer.case.device).overcommits:
        return "; larger ones are not expected to"
    return ""


def _warnings(answers: Sequence[LargestBatch], names: Sequence[str]) -> Iterator[str]:
    for answer, name in zip(answers, names, strict=True):
        if answer.remark is not None and answer.verified is not None:
            yield f"{name}: {one_line(answer.remark)}."


def _next(answers: Sequence[LargestBatch]) -> NextStep | None:
    found = next((answer for answer in answers if answer.verified), None)
    if found is None:
        return None
    case = structs.replace(found.case, batch=found.verified or 0)
    return NextStep(command=run_command(case), purpose="times this batch size")


def _table(answers: Sequence[LargestBatch], names: Sequence[str]) -> Table:
    """A row for each answer; the limit of all of them is in the title where it is one."""
    limits = {answer.limit for answer in answers}
    title = "Largest batch size" + (f" in {size_in_words(limits.pop())}" if len(limits) == 1 else "")
    rows = tuple(
        (name, answer.verified, _mib(answer.peak), _mib(answer.limit))
        for answer, name in zip(answers, names, strict=True)
    )
    return Table(title=title, columns=("case", "batch size", "peak (MiB)", "limit (MiB)"), rows=rows)


def _found(answers: Sequence[LargestBatch]) -> Table:
    columns = (
        *("limit (MiB)", "predicted", "verified", "verified - predicted", "peak (MiB)", "refused"),
        *("fixed (MiB)", "per image (MiB)", "remark"),
    )
    lines = [TableLine(subject=_subject(answer), cells=_cells(answer)) for answer in answers]
    scope = scope_of([answer.case for answer in answers], 1)
    shown = table("Predicted and verified", columns, lines, scope, without=_WITHOUT, notes=NOTES)
    return structs.replace(shown, part=SEARCH)


def _cells(answer: LargestBatch) -> tuple[Cell, ...]:
    return (
        _mib(answer.limit),
        answer.predicted,
        answer.verified,
        _difference(answer),
        _mib(answer.peak),
        answer.refused,
        _mib(answer.line.fixed if answer.line else None),
        _mib(answer.line.per_image if answer.line else None),
        None if answer.remark is None else one_line(answer.remark),
    )


def _mib(size: float | None) -> Cell:
    return None if size is None else size / MIB


def _runs(answers: Sequence[LargestBatch]) -> Table:
    lines = [
        TableLine(
            subject=_subject(answer),
            cells=(each.batch, each.status, _mib(each.peak), "yes" if each.fits else "no"),
        )
        for answer in answers
        for each in answer.tries
    ]
    columns = ("batch", "status", "peak (MiB)", "fits")
    scope = scope_of([answer.case for answer in answers], 1)
    shown = table("All batch sizes that ran", columns, lines, scope, without=_WITHOUT, notes=(RUNS_NOTE,))
    return structs.replace(shown, part=SEARCH)


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
