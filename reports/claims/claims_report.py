"""Judgements as a document: the verdicts, then for each topic a table and a paragraph for each claim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.cells import Cell, Scalar, readable
from reports.claims.claim import Claim, JudgedClaim, Judgement, judged
from reports.claims.claims_answer import answer, verdict_text
from reports.claims.evidence import Evidence
from reports.document import Document, Part, Table
from reports.sections.asked import Asked
from reports.sections.machine_tables import machine_words
from reports.sections.origin import origin_of
from reports.summary.caches import IN_WORDS
from reports.summary.figures import Summary

TITLE = "What textbooks say about AlexNet and VGG"
COLUMNS = ("claim", "verdict", "figure", "99% interval", "unit")
VERDICTS_IN_WORDS = (
    "true, false: exact arithmetic, or the 99% interval over processes or seeds, excludes the opposite. "
    "depends: true under some of the named conditions and false under others. undecided: measured, but the "
    "interval allows both. not tested: the evidence is missing. cited: a published result, not repeated here."
)
SCOPE_IN_WORDS = (
    "A verdict applies to the sizes, data and machine that it names. A small experiment that finds no effect "
    "does not refute one at ImageNet's scale."
)


def answers(claims: Sequence[Claim], evidence: Evidence) -> tuple[JudgedClaim, ...]:
    """Each claim judged."""
    return tuple(JudgedClaim(claim, judged(claim, evidence)) for claim in claims)


def document(
    found: Sequence[JudgedClaim], evidence: Evidence, summary: Summary | None, asked: Asked | None = None
) -> Document:
    """The report; `asked` is how its command was called."""
    return Document(
        title=TITLE,
        answer=answer(found, evidence, summary, asked or Asked()),
        text=tuple(_introduction(evidence, summary)),
        tables=tuple(_tables(found)),
        rows=tuple(_row(each) for each in found),
        origin=origin_of(summary),
    )


def _introduction(evidence: Evidence, summary: Summary | None) -> Iterator[str]:
    setting = evidence.setting
    if summary is None:
        yield "Nothing was measured: only claims that follow from arithmetic are judged."
    else:
        yield from machine_words(summary)
        yield (
            f"Judged for {setting.device}, from records with {_threads(summary)} CPU threads. Planned: "
            f"{setting.replicates} processes per timed case and {setting.seeds} seeds per trained network."
        )
        if summary.caches is not None:
            yield IN_WORDS[summary.caches]
    yield VERDICTS_IN_WORDS
    yield SCOPE_IN_WORDS
    if summary is not None:
        yield from summary.notes


def _threads(summary: Summary) -> str:
    """Those of the records, whatever this machine has."""
    return " and ".join(map(str, sorted({figure.case.threads for figure in summary.figures}))) or "no"


def _tables(found: Sequence[JudgedClaim]) -> Iterator[Table]:
    """One for each topic."""
    for topic in dict.fromkeys(each.claim.said.topic for each in found):
        chosen = [each for each in found if each.claim.said.topic == topic]
        title = f"Claims about {topic}"
        yield Table(
            title=title,
            columns=COLUMNS,
            rows=tuple(_cells(each) for each in chosen),
            notes=tuple(_paragraph(each) for each in chosen),
            part=Part(topic, title),
        )


def _cells(each: JudgedClaim) -> tuple[Cell, ...]:
    judgement = each.judgement
    return (
        each.claim.said.id,
        verdict_text(judgement.verdict),
        judgement.figure,
        _interval(judgement),
        judgement.unit or None,
    )


def _interval(judgement: Judgement) -> str | None:
    low, high = judgement.low, judgement.high
    if low is None:
        return None
    return (
        f"{readable(low, 3)} to {readable(high, 3)}" if high is not None else f"at least {readable(low, 3)}"
    )


def _paragraph(each: JudgedClaim) -> str:
    said, judgement = each.claim.said, each.judgement
    return f"{said.id}: “{said.said}” ({said.source}). {judgement.verdict.capitalize()}. {judgement.reason}"


def _row(each: JudgedClaim) -> dict[str, Scalar]:
    said, judgement = each.claim.said, each.judgement
    return {
        "id": said.id,
        "verdict": judgement.verdict,
        "figure": judgement.figure,
        "low": judgement.low,
        "high": judgement.high,
        "unit": judgement.unit or None,
        "reason": judgement.reason,
        "source": said.source,
        "topic": said.topic,
        "kind": said.kind,
        "said": said.said,
    }
