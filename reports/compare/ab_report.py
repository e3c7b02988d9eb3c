"""Interleaved pairs -> the table of verdicts: every time of every case, b against a."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from bench.schema.case import Caches
from bench.stats.deciding import deciding_pairs
from bench.stats.verdicts import INTERIM_PAIRS
from bench.studies.ab.pair_rows import PairRow
from reports.analysis.further_processes import times, told
from reports.cells import Cell, Quantity, Scalar, readable
from reports.compare.verdict_tables import both_sides, percent_told
from reports.document import Document, Table
from reports.summary.caches import IN_WORDS
from reports.summary.figures import case_row

CLOCK_COLUMNS = ("cause", "b / a in cycles", "SM clock (MHz)", "memory clock (MHz)", "power cap at work (%)")
"""Of a GPU whose clocks were read while it worked."""
CAUSE_IN_WORDS = (
    "cause: what the SM clock has to do with a time that differs. code: in cycles (time x SM clock) the "
    "verdict is the same. unknown: it is not. That it was the clock is never said here: whether a case is "
    "compute-bound is known by ceilings, which ab does not measure. The verdict is on time either way."
)


def document(
    found: Sequence[PairRow],
    labels: tuple[str, str],
    margin: float,
    caches: Caches = "warm",
    differences: Sequence[str] = (),
    remarks: tuple[str, ...] = (),
) -> Document:
    """The table of the deciding rows, that of all others, and every row for programs; `differences` of the
    networks on both sides stand first, behind `remarks`."""
    text: tuple[str, ...] = (
        *differences,
        f"a: {labels[0]}",
        f"b: {labels[1]}",
        "Both were measured side by side, in pairs of processes in random order. The ratio is b / a of the"
        " wall time; its interval is that of one look of at most four, each at a quarter of the errors that"
        f" one comparison may make (99.75%). equivalent: inside 1 ±{100 * margin:g}%. detectable: the"
        " smallest slowdown that this many pairs would have shown in 99 of 100 such comparisons. The variance"
        " is that of the pairs alone: looks begin at eight, so no other case counts in it.",
        IN_WORDS[caches],
    )
    if any(row.clocks.cause for row in found):
        text = (*text, CAUSE_IN_WORDS)
    if any(deciding_pairs(row.verdict, margin) for row in found):
        text = (*text, TO_DECIDE_IN_WORDS)
    tables = [_table("Whole steps", [row for row in found if row.decides], margin)]
    others = [row for row in found if not row.decides]
    if others:
        tables.append(_table("Phases and other clocks (not looked at for stopping)", others, margin))
    return Document(
        title="a against b",
        remarks=remarks,
        text=text,
        tables=tuple(tables),
        rows=tuple(row_of(row, caches) for row in found),
    )


TO_DECIDE_IN_WORDS = (
    "to decide: about how many more pairs would bring detectable down to the change that was seen (or to the "
    "margin, if that is larger), and about how long they take. Pairs cannot be added to a folder: the same "
    f"command with another --out and a larger --budget makes up to {INTERIM_PAIRS[-1]}."
)


def _to_decide(row: PairRow, margin: float) -> str | None:
    """`24 more for 2.0%, about 4 minutes`; None for a row that is decided."""
    found = deciding_pairs(row.verdict, margin)
    if found is None:
        return None
    return told(found.more, times(found.more, row.seconds), f"more for {100 * found.target:.1f}%")


def row_of(row: PairRow, caches: Caches = "warm") -> dict[str, Scalar]:
    """The fields of `convbench compare`, then what `ab` adds."""
    verdict = row.verdict
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
    }
    return case_row(row.case_pair.a, fields)


def _table(title: str, found: Sequence[PairRow], margin: float) -> Table:
    asked = [_to_decide(row, margin) for row in found]
    columns = (
        *(
            "case",
            "phase",
            "metric",
            "a (ms)",
            "b (ms)",
            "b / a",
            "interval",
            "verdict",
            "detectable",
            "pairs",
        ),
        *(("to decide",) if any(asked) else ()),
        *(CLOCK_COLUMNS if any(row.clocks.cycles for row in found) else ()),
    )
    rows = tuple(
        (*_cells(row), *((each,) if any(asked) else ()), *_clock_cells(row))[: len(columns)]
        for row, each in zip(found, asked, strict=True)
    )
    return Table(title=title, columns=columns, rows=rows)


def _clock_cells(row: PairRow) -> tuple[Cell, ...]:
    """In the order of CLOCK_COLUMNS."""
    clocks = row.clocks
    return (
        clocks.cause,
        None if clocks.cycles is None else Quantity(value=clocks.cycles, digits=3),
        both_sides(clocks.base_sm_clock, clocks.new_sm_clock),
        both_sides(clocks.base_memory_clock, clocks.new_memory_clock),
        both_sides(clocks.base_power_cap, clocks.new_power_cap, 100.0),
    )


def _cells(row: PairRow) -> tuple[Cell, ...]:
    verdict = row.verdict
    interval = detectable = None
    if verdict.low is not None and verdict.high is not None:
        interval = f"{readable(verdict.low)} to {readable(verdict.high)}"
    if verdict.detectable is not None:
        detectable = percent_told(verdict.detectable)
    ratio = None if verdict.ratio is None else Quantity(value=verdict.ratio, digits=3)
    times = (1e3 * row.a, 1e3 * row.b)
    name = row.case_pair.a.id
    return (name, row.phase, row.metric, *times, ratio, interval, verdict.verdict, detectable, verdict.n_base)
