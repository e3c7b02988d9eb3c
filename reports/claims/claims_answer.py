"""The first screen of `claims`: how many are true, a row for each that was measured, and what decides the
rest. Pure functions of the judgements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from reports.claims.claim import ClaimWord, JudgedClaim, statements
from reports.claims.evidence import Evidence
from reports.document import Answer, NextStep, Table
from reports.sections.asked import Asked
from reports.sections.machine_line import in_short
from reports.summary.contended import not_alone
from reports.summary.figures import Summary
from reports.tables.listing import and_more

MARKS: Mapping[ClaimWord, str] = {
    "true": "✓",
    "false": "✗",
    "depends": "✓✗",
    "undecided": "?",
    "not tested": "",
    "cited": "",
}
ORDER: tuple[ClaimWord, ...] = ("false", "depends", "true", "undecided", "not tested", "cited")
"""Of the rows: what may surprise comes first."""
OUT = "runs/claims"
MOST_ROWS = 12
MOST_UNTESTED = 5
"""Claims without a verdict that the headline names."""
MORE = 10
"""Seeds or processes of the next run: at least so many, and at least twice what there are."""


def answer(found: Sequence[JudgedClaim], evidence: Evidence, summary: Summary | None, asked: Asked) -> Answer:
    """What a reader came for: the verdicts."""
    rows = shown(found)
    return Answer(
        about=_about(evidence, summary),
        alarms=not_alone(summary.figures) if summary and any(map(_is_measured, found)) else (),
        headlines=(headline(found, evidence),),
        table=_table(rows) if len(found) > 1 else None,
        next_step=next_step(found, evidence, summary, asked),
    )


def _about(evidence: Evidence, summary: Summary | None) -> str:
    if summary is None:
        return "arithmetic only, nothing measured"
    return in_short(summary)


def headline(found: Sequence[JudgedClaim], evidence: Evidence) -> str:
    """`20 claims about AlexNet and VGG: 8 true (6 by arithmetic), 1 false, 7 undecided (3 seeds), ...`"""
    if len(found) == 1:
        return _alone(found[0])
    return f"{len(found)} claims about AlexNet and VGG: {', '.join(_counts(found, evidence))}."


def _alone(only: JudgedClaim) -> str:
    said, judgement = only.claim.said, only.judgement
    mark = MARKS[judgement.verdict]
    quoted = f"“{said.short[0].upper()}{said.short[1:]}”"
    return f"{f'{mark} ' if mark else ''}{quoted}: {judgement.verdict}, {judgement.found}."


def _counts(found: Sequence[JudgedClaim], evidence: Evidence) -> Iterator[str]:
    by_word = Counter(each.judgement.verdict for each in found)
    exact = sum(_is_exact(each) for each in found)
    if by_word["true"]:
        how_many = "all" if exact == by_word["true"] else str(exact)
        yield f"{by_word['true']} true{f' ({how_many} by arithmetic)' if exact else ''}"
    yield from (f"{by_word[word]} {word}" for word in ("false", "depends") if by_word[word])
    if by_word["undecided"]:
        yield f"{by_word['undecided']} undecided{_why_undecided(found, evidence)}"
    needs = Counter(each.judgement.need for each in found if each.judgement.verdict == "not tested")
    if needs["a GPU"]:
        yield f"{needs['a GPU']} need{'s' if needs['a GPU'] == 1 else ''} a GPU"
    rest = by_word["not tested"] - needs["a GPU"]
    if rest:
        yield f"{rest} not tested ({_untested(found)})"
    if by_word["cited"]:
        yield f"{by_word['cited']} cited only"


def _untested(found: Sequence[JudgedClaim]) -> str:
    """`relu-speed, dropout and 3 more`: claims that a run would settle, by the names that `claims` takes."""
    open_ = (each for each in found if each.judgement.verdict == "not tested")
    return and_more([each.claim.said.id for each in open_ if each.judgement.need != "a GPU"], MOST_UNTESTED)


def _is_exact(each: JudgedClaim) -> bool:
    return each.claim.said.kind == "exact" and each.judgement.verdict == "true"


def _is_measured(each: JudgedClaim) -> bool:
    """Whether the verdict rests on measurements, which may be those of a busy machine."""
    return each.claim.said.kind in ("measured", "trained") and each.judgement.verdict != "not tested"


def _why_undecided(found: Sequence[JudgedClaim], evidence: Evidence) -> str:
    needs = {each.judgement.need for each in found if each.judgement.verdict == "undecided"}
    if needs == {"more seeds"}:
        return f" ({evidence.setting.seeds} seeds)" if evidence.setting.seeds > 1 else " (1 seed)"
    return f" (needs {' or '.join(sorted(needs))})" if needs - {""} else ""


def shown(found: Sequence[JudgedClaim]) -> list[JudgedClaim]:
    """Those that were measured, by verdict; all where none was."""
    measured = [
        each
        for each in found
        if each.claim.said.kind in ("measured", "trained")
        and not (each.judgement.verdict == "not tested" and each.judgement.need == "a run")
    ]
    decided = [each for each in found if each.judgement.verdict != "not tested"]
    chosen = measured if any(each.judgement.need != "a GPU" for each in measured) else decided
    return sorted(chosen, key=lambda each: ORDER.index(each.judgement.verdict))[:MOST_ROWS]


def verdict_text(word: ClaimWord) -> str:
    """`✗ false`"""
    return f"{MARKS[word]} {word}".strip()


def _table(rows: Sequence[JudgedClaim]) -> Table:
    return Table(
        title="Verdicts",
        columns=("verdict", "claim", "found"),
        rows=tuple(
            (verdict_text(each.judgement.verdict), each.claim.said.short, each.judgement.found)
            for each in rows
        ),
    )


def next_step(
    found: Sequence[JudgedClaim], evidence: Evidence, summary: Summary | None, asked: Asked
) -> NextStep | None:
    """More seeds or processes for what is undecided, else a first run of what is not tested."""
    for need, option, count in (
        ("more seeds", "--seeds", evidence.setting.seeds),
        ("more processes", "--replicates", evidence.setting.replicates),
    ):
        open_ = [each for each in found if each.judgement.need == need]
        if open_:
            more = max(MORE, 2 * count)
            setting = structs.replace(
                evidence.setting, **{"seeds" if need == "more seeds" else "replicates": more}
            )
            further = structs.replace(evidence, setting=setting)
            return NextStep(
                command=_command(open_, found, asked, option, str(more)),
                purpose=f"{need} for {len(open_)} undecided",
                seconds=_seconds(open_, further, summary),
                has_dry_run=True,
            )
    untested = [each for each in found if each.judgement.need == "a run"]
    if not untested:
        return None
    return NextStep(
        command=_command(untested, found, asked),
        purpose=f"measures what {len(untested)} claims need",
        has_dry_run=True,
    )


def _command(chosen: Sequence[JudgedClaim], of: Sequence[JudgedClaim], asked: Asked, *options: str) -> str:
    """Claims are named unless a first run of all is meant."""
    first_of_all = len(of) == len(statements()) and not options
    names = [] if first_of_all else [each.claim.said.id for each in chosen]
    folders = [word for folder in asked.folders for word in ("--from", str(folder))]
    return asked.command(("claims", *names, "--run", *options, *folders), OUT)


def _seconds(claims: Sequence[JudgedClaim], evidence: Evidence, summary: Summary | None) -> float | None:
    """Of the missing processes, each as long as those of its case that there are; None where one has none."""
    if summary is None:
        return None
    cases = {case for each in claims for case in each.claim.needs(evidence.setting)}
    lacking = [case for case in cases if not evidence.has_process(case)]
    known = [summary.seconds.get(case.without_replicate()) for case in lacking]
    return sum(each for each in known if each is not None) if known and None not in known else None
