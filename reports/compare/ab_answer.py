"""The first screen of an interleaved comparison: which side is faster, and whether that is certain."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence

from msgspec import Struct

from bench.schema.plurals import how_many
from bench.stats.deciding import deciding_pairs
from bench.stats.moderation import MOST_MORE
from bench.stats.verdicts import INTERIM_PAIRS
from bench.studies.ab.pair_rows import CasePair, PairRow
from reports.cells import brief
from reports.compare import pair_cells
from reports.compare.answer_table import kind_of
from reports.compare.changes import change, short_notes_on, takes
from reports.compare.deciding_command import FIND_NOISE
from reports.compare.row_names import row_names, shared_words
from reports.compare.verdict_sentences import CHANGED, NamedTime, sentences, title, unseen
from reports.document import Answer, NextStep, Origin, Table
from reports.tables.constant_columns import without_constant

LEVEL = "99.75%"
"""Of the intervals: that of one look of four."""
MEANINGS = (
    ("change", f"with its {LEVEL} interval; + means B is slower"),
    ("visible from", "smaller changes may go unseen"),
)
_MOST_ROWS = 8


class Trialled(Struct, frozen=True, kw_only=True):
    """What was asked for, and how it ended.

    labels   what sides A and B are
    margin   a share
    alarms   what forbids to trust the figures
    failed   cases that failed on a side
    unseen   cases without a pair when the budget was spent
    gate     `Gate --fail-on slower: PASS`; empty where none was asked for
    origin   of the records of both sides
    again    the words of the command without --out and --budget, so that it can be asked for more pairs
    out      its folder
    """

    labels: tuple[str, str]
    margin: float
    alarms: tuple[str, ...] = ()
    failed: int = 0
    unseen: int = 0
    gate: str = ""
    origin: Origin | None = None
    again: tuple[str, ...] = ()
    out: str = ""


def short_title(rows: Sequence[PairRow]) -> str:
    """`B is slower than A`, `1 of 3 times is slower`, `No pair was measured`."""
    if not rows:
        return "No pair was measured"
    if len(rows) > 1:
        return title(_named(rows))
    word = rows[0].verdict.verdict
    if word in CHANGED:
        return f"B is {word} than A"
    return "A and B are equivalent" if word == "equivalent" else "B is not distinguishable from A"


def answer(rows: Sequence[PairRow], trialled: Trialled) -> Answer:
    """`rows` are those of whole steps, one for each case."""
    labels = trialled.labels
    return Answer(
        about=" · ".join((f"A {labels[0]}", f"B {labels[1]}", *_pairs(rows))),
        alarms=trialled.alarms,
        headlines=tuple(_headlines(rows, trialled)),
        table=_table(rows) if rows else None,
        next_step=_next_step(rows, trialled),
    )


def _pairs(rows: Sequence[PairRow]) -> Iterator[str]:
    """`8 pairs`, `8 to 64 pairs`"""
    counts = [row.verdict.n_base for row in rows]
    if counts:
        low, high = min(counts), max(counts)
        yield f"{low if low == high else f'{low} to {high}'} {'pair' if high == 1 else 'pairs'}"


def _headlines(rows: Sequence[PairRow], trialled: Trialled) -> Iterator[str]:
    if len(rows) == 1:
        yield _one(rows[0], trialled)
    elif rows:
        yield from sentences(_named(rows), trialled.margin)
    else:
        yield "No case was measured on both sides: nothing was compared."
    last = []
    if trialled.failed:
        last.append(f"{how_many(trialled.failed, 'case')} failed on a side.")
    if trialled.unseen:
        last.append(f"The budget ended before {how_many(trialled.unseen, 'case')} had a pair.")
    if trialled.gate:
        last.append(trialled.gate)
    if last:
        yield " ".join(last)


def _one(row: PairRow, trialled: Trialled) -> str:
    """`B (engine=compile) is slower than A (engine=eager): LeNet-5 inference, batch 1 takes 5.0% (4.6% to
    5.4%) more time.`"""
    (named,) = _named([row])
    a, b = (f"{name} ({label})" for name, label in zip("AB", trialled.labels, strict=True))
    verdict = row.verdict
    if verdict.verdict in CHANGED:
        return f"{b} is {verdict.verdict} than {a}: {named.name} {takes(verdict, 'time')}."
    told = change(verdict)
    best = f"{named.name} changed by {brief(told)}" if told and told.is_resolved else named.name
    if verdict.verdict == "equivalent":
        return f"{b} is equivalent to {a} within {100 * trialled.margin:g}%: {best}."
    if told is None or told.of_one or not told.is_resolved:
        return f"{b} is not distinguishable from {a} ({named.name}): {unseen([named])}."
    return f"{b} is not distinguishable from {a}: {best} at best guess; {unseen([named])}."


def _named(rows: Sequence[PairRow]) -> list[NamedTime]:
    names = pair_names([row.case_pair for row in rows])
    return [NamedTime(names[row.case_pair], row.verdict) for row in rows]


def pair_names(pairs: Sequence[CasePair]) -> dict[CasePair, str]:
    """`LeNet-5 inference, batch 1`; both sides' where they are two networks."""
    names = row_names(pair.a for pair in pairs), row_names(pair.b for pair in pairs)
    told = {pair: (names[0][pair.a], names[1][pair.b]) for pair in pairs}
    return {
        pair: one if pair.a.model == pair.b.model else f"{one} → {other}"
        for pair, (one, other) in told.items()
    }


def _table(rows: Sequence[PairRow]) -> Table:
    order = {"slower": 0, "faster": 0, "inconclusive": 1, "equivalent": 2}
    listed = sorted(rows, key=lambda row: order[row.verdict.verdict])[:_MOST_ROWS]
    kind = kind_of([row.a for row in listed])
    names = pair_names([row.case_pair for row in rows])
    cells = [(names[row.case_pair], *pair_cells.cells(row, kind.size, is_short=True)) for row in listed]
    more = len(rows) - len(listed)
    table = Table(
        title="Whole steps",
        columns=("case", *pair_cells.columns(kind)),
        optional=(pair_cells.PAIRS, pair_cells.VISIBLE),
        rows=tuple(cells),
        shared=shared_words(case for row in rows for case in (row.case_pair.a, row.case_pair.b)),
        meanings=MEANINGS,
        notes=(
            *short_notes_on(cell for row in cells for cell in row),
            *((f"{how_many(more, 'more row')}: --section steps.",) if more else ()),
        ),
    )
    return without_constant(table, pair_cells.PAIRS)


def _next_step(rows: Sequence[PairRow], trialled: Trialled) -> NextStep | None:
    """More pairs for what is undecided, up to as many as ab makes; then what finds the noise."""
    undecided = [row for row in rows if row.verdict.verdict == "inconclusive"]
    if not trialled.again or (rows and not undecided and not trialled.unseen):
        return None
    if undecided and all(_is_hopeless(row, trialled.margin) for row in undecided):
        purpose = f"finds what makes this machine noisy; more than {MOST_MORE} more pairs would be needed"
        return NextStep(command=FIND_NOISE, purpose=purpose)
    longer = f"{trialled.out.rstrip('/')}-longer"
    seconds = _seconds(rows, trialled.margin)
    budget = [] if seconds is None else ["--budget", str(seconds)]
    command = shlex.join(["convbench", *trialled.again, *budget, "--out", longer])
    return NextStep(command=command, purpose="measures more pairs, in a new folder", seconds=seconds)


def _is_hopeless(row: PairRow, margin: float) -> bool:
    found = deciding_pairs(row.verdict, margin)
    return row.verdict.n_base >= INTERIM_PAIRS[-1] or (found is not None and found.more is None)


def _seconds(rows: Sequence[PairRow], margin: float) -> int | None:
    """What all pairs take, in whole minutes, if undecided cases get what they ask for, and decided ones as
    many as now; None where a row does not say."""
    total = 0.0
    for row in rows:
        if row.seconds is None:
            return None
        found = deciding_pairs(row.verdict, margin)
        more = INTERIM_PAIRS[-1] if found is None and row.verdict.verdict == "inconclusive" else 0
        more = found.more if found is not None and found.more is not None else more
        total += row.seconds * min(row.verdict.n_base + more, INTERIM_PAIRS[-1])
    return 60 * math.ceil(total / 60) if rows else None
