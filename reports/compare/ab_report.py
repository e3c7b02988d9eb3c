"""Interleaved pairs -> the report: which side is faster, then every time of every case, b against a."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.schema.case import Caches
from bench.schema.metrics import CLOCKS
from bench.stats.deciding import deciding_pairs
from bench.stats.verdicts import INTERIM_PAIRS
from bench.studies.ab.pair_rows import PairRow
from reports.cells import Cell, Quantity, Scalar
from reports.compare import pair_cells
from reports.compare.ab_answer import LEVEL, Trialled, answer, pair_names, short_title
from reports.compare.answer_table import kind_of
from reports.compare.changes import notes_on
from reports.compare.comparison_rows import WhatDecides, decides_fields
from reports.compare.judging import Judgement
from reports.compare.verdict_tables import TO_DECIDE, both_sides
from reports.compare.what_decides import in_words, what_decides
from reports.document import Document, Part, Plot, Series, Table, TableKey
from reports.summary.caches import IN_WORDS
from reports.summary.figures import case_row

STEPS = Part("steps", "Whole steps")
PHASES = Part("phases", "Phases and other clocks")
_STEPS_KEY = TableKey("pairs", ("steps",))
_MOST_STRIPS = 12
CLOCK_COLUMNS = ("cause", "change in cycles", "SM clock, MHz", "memory clock, MHz", "power cap at work, %")
"""Of a GPU whose clocks were read while it worked."""
CAUSE_IN_WORDS = (
    "cause: how the SM clock explains a change in time. code: in cycles (time x SM clock) the verdict is the "
    "same. unknown: it is not. ab never says clock: that needs ceilings, which ab does not measure. The "
    "verdict is on time in every case."
)
TO_DECIDE_IN_WORDS = (
    "to decide: about how many more pairs would make the observed change visible (or the margin, if that is "
    "larger), and about how long they take. Pairs cannot be added to a folder: use another --out and a "
    f"larger --budget, for up to {INTERIM_PAIRS[-1]} pairs."
)


def document(found: Sequence[PairRow], trialled: Trialled, caches: Caches = "warm") -> Document:
    """The answer, the table of whole steps, that of all other times, and every row for programs."""
    steps, others = ([row for row in found if row.decides is decides] for decides in (True, False))
    tables = [_table(STEPS, steps, trialled.margin)] if steps else []
    if others:
        tables.append(_table(PHASES, others, trialled.margin))
    return Document(
        title=short_title(steps),
        answer=answer(steps, trialled),
        remarks=trialled.alarms,
        text=tuple(_how_compared(found, trialled, caches)),
        tables=tuple(tables),
        plots=tuple(_ratio_strips(steps)),
        rows=tuple(row_of(row, trialled.margin, caches) for row in found),
        origin=trialled.origin,
    )


def _how_compared(found: Sequence[PairRow], trialled: Trialled, caches: Caches) -> Iterator[str]:
    yield f"A: {trialled.labels[0]}"
    yield f"B: {trialled.labels[1]}"
    yield (
        "Both sides were measured in pairs of processes, in random order within each pair. Verdicts are on "
        "the ratio B / A of the wall time. ab looks up to four times, so each look has a quarter of the "
        f"error rate: the interval is {LEVEL}. equivalent: within {100 * trialled.margin:g}% of no change. "
        "visible from: the smallest slowdown that 99 of 100 such comparisons would show. The variance is "
        "that of the pairs alone: looks begin at eight pairs, so other cases do not count."
    )
    if any(not row.decides for row in found):
        yield "ab stops by the wall time of whole steps. Phases and other clocks are reported, not looked at."
    yield IN_WORDS[caches]
    if any(row.clocks.cause for row in found):
        yield CAUSE_IN_WORDS
    if any(deciding_pairs(row.verdict, trialled.margin) for row in found):
        yield TO_DECIDE_IN_WORDS


def _ratio_strips(steps: Sequence[PairRow]) -> Iterator[Plot]:
    """The ratio of every pair, a row for each case."""
    names = pair_names([row.case_pair for row in steps])
    shown = [row for row in steps if row.ratios][:_MOST_STRIPS]
    if shown:
        yield Plot(
            name="ratio-by-pair",
            title="B / A of each pair",
            note="A tick is a pair, the dot their median. Above 1, B took longer.",
            under=_STEPS_KEY,
            x_label="B / A, wall time of a whole step",
            y_label="",
            kind="strips",
            series=tuple(
                Series(label=names[row.case_pair], x=row.ratios, y=(1.0,) * len(row.ratios), hue=0)
                for row in shown
            ),
        )


def asked_for(row: PairRow, margin: float) -> WhatDecides | None:
    """What an inconclusive row asks for, in pairs; None for a row that is decided."""
    found = deciding_pairs(row.verdict, margin)
    judged = Judgement(verdict=row.verdict, base=row.a, new=row.b, paired=True, deciding=found)
    return what_decides(judged, "pair", (row.seconds, 0.0))


def row_of(row: PairRow, margin: float, caches: Caches = "warm") -> dict[str, Scalar]:
    """The fields of `convbench compare`, then what `ab` adds."""
    verdict, asked = row.verdict, asked_for(row, margin)
    fields: dict[str, Scalar] = {
        "phase": row.phase,
        "metric": row.metric,
        "base": row.a,
        "new": row.b,
        "ratio": verdict.ratio,
        "low": verdict.low,
        "high": verdict.high,
        "verdict": verdict.verdict,
        "detectable": verdict.detectable,
        "n_base": verdict.n_base,
        "n_new": verdict.n_new,
        "decides": row.decides,
        "case_b": row.case_pair.b.id,
        **structs.asdict(row.clocks),
        "caches": caches,
        "level": verdict.level,
        "method": verdict.method,
        "error": verdict.error,
        "freedom": verdict.freedom,
        **decides_fields(asked),
    }
    return case_row(row.case_pair.a, fields)


def _table(part: Part, found: Sequence[PairRow], margin: float) -> Table:
    asked = [asked_for(row, margin) for row in found]
    kind = kind_of([row.a for row in found])
    names = pair_names([row.case_pair for row in found])
    columns = (
        *("case", "time", *pair_cells.columns(kind)),
        *((TO_DECIDE,) if any(asked) else ()),
        *(CLOCK_COLUMNS if any(row.clocks.cycles for row in found) else ()),
    )
    rows = tuple(
        (
            *(names[row.case_pair], f"{row.phase} {CLOCKS[row.metric]}"),
            *pair_cells.cells(row, kind.size, is_short=False),
            *((in_words(each) if each else None,) if any(asked) else ()),
            *_clock_cells(row),
        )[: len(columns)]
        for row, each in zip(found, asked, strict=True)
    )
    notes = tuple(notes_on((cell for row in rows for cell in row), LEVEL))
    key = _STEPS_KEY if part == STEPS else None
    droppable = (*reversed(CLOCK_COLUMNS), TO_DECIDE, pair_cells.PAIRS, pair_cells.VISIBLE)
    return Table(
        title=part.title,
        columns=columns,
        rows=rows,
        notes=notes,
        part=part,
        key=key,
        optional=tuple(name for name in droppable if name in columns),
    )


def _clock_cells(row: PairRow) -> tuple[Cell, ...]:
    """In the order of CLOCK_COLUMNS."""
    clocks = row.clocks
    cycles = None if clocks.cycles is None else 100 * (clocks.cycles - 1)
    return (
        clocks.cause,
        None if cycles is None else Quantity(value=cycles, unit="%", digits=1, sign="always"),
        both_sides(clocks.base_sm_clock, clocks.new_sm_clock),
        both_sides(clocks.base_memory_clock, clocks.new_memory_clock),
        both_sides(clocks.base_power_cap, clocks.new_power_cap, 100.0),
    )
