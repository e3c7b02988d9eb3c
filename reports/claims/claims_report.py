"""Judgements as a document to be handed out: one table, a short paragraph for each claim, and flat rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from reports.cells import Cell, Scalar, readable
from reports.claims.claim import Claim, Judgement, judged
from reports.claims.evidence import Evidence, Setting
from reports.document import Document, Table
from reports.sections.machine_tables import machine_words
from reports.summary.caches import IN_WORDS
from reports.summary.contended import not_alone
from reports.summary.figures import Summary

COLUMNS = ("claim", "verdict", "figure", "99% interval", "unit")
VERDICTS_IN_WORDS = (
    "How to read a verdict: 'holds' and 'does not hold' are said where the evidence excludes the contrary "
    "(the 99% interval over processes or seeds, or exact arithmetic); 'depends' where it is so under some "
    "conditions and not under others, which are named; 'not testable here' where something is missing, which "
    "is named too; 'published' where only others could measure it. A verdict holds for the sizes, the data "
    "and the machine that it names, and a small experiment that does not find an effect has not refuted it "
    "at the scale of ImageNet."
)


class JudgedClaim(Struct, frozen=True):
    """A claim and what was found."""

    claim: Claim
    judgement: Judgement


def answers(claims: Sequence[Claim], evidence: Evidence) -> tuple[JudgedClaim, ...]:
    """Each claim judged."""
    return tuple(JudgedClaim(claim, judged(claim, evidence)) for claim in claims)


def document(found: Sequence[JudgedClaim], setting: Setting, summary: Summary | None) -> Document:
    """The hand-out."""
    return Document(
        title="What textbooks say about AlexNet and VGG",
        remarks=not_alone(summary.figures if summary else ()),
        text=tuple(_introduction(found, setting, summary)),
        tables=(_table(found),),
        rows=tuple(_row(answer) for answer in found),
    )


def _introduction(found: Sequence[JudgedClaim], setting: Setting, summary: Summary | None) -> Iterator[str]:
    if summary is None:
        yield "Nothing was measured: only what follows from arithmetic is judged."
    else:
        yield from machine_words(summary)
        yield (
            f"Judged for {setting.device}. CPU threads of the records: {_threads(summary)}. Planned are "
            f"{setting.replicates} processes of each timed case, and {setting.seeds} training runs of each "
            "network, one a seed."
        )
        if summary.caches is not None:
            yield IN_WORDS[summary.caches]
    counts = Counter(answer.judgement.verdict for answer in found)
    yield f"Claims: {len(found)}. " + ", ".join(f"{word}: {count}" for word, count in counts.items()) + "."
    yield VERDICTS_IN_WORDS
    if summary is not None:
        yield from summary.notes


def _threads(summary: Summary) -> str:
    """What the records were run with, whatever this machine has."""
    return ", ".join(map(str, sorted({figure.case.threads for figure in summary.figures}))) or "none"


def _table(found: Sequence[JudgedClaim]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for claim, judgement in ((answer.claim, answer.judgement) for answer in found):
        rows.append(
            (
                claim.said.id,
                judgement.verdict,
                judgement.figure,
                _interval(judgement),
                judgement.unit or None,
            )
        )
    return Table(
        title="Claims",
        columns=COLUMNS,
        rows=tuple(rows),
        notes=tuple(_paragraph(answer.claim, answer.judgement) for answer in found),
    )


def _interval(judgement: Judgement) -> str | None:
    low, high = judgement.low, judgement.high
    if low is None:
        return None
    return f"{readable(low)} to {readable(high)}" if high is not None else f"at least {readable(low)}"


def _paragraph(claim: Claim, judgement: Judgement) -> str:
    said = claim.said
    return f"{said.id}: “{said.said}” ({said.source}). {judgement.verdict.capitalize()}. {judgement.reason}"


def _row(answer: JudgedClaim) -> dict[str, Scalar]:
    said, judgement = answer.claim.said, answer.judgement
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
