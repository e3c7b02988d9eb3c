"""The records of interleaved pairs -> a verdict for each case and metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.phases import Phase, whole
from bench.schema.record import Record
from bench.stats import verdicts
from bench.stats.estimates import centre, median
from bench.stats.verdicts import Verdict
from bench.store import RECORDS, read_records

TIMES = ("wall_time", "device_time", "host_time")
Key = tuple[Phase, str]
"""Phase and metric."""


class CasePair(Struct, frozen=True, kw_only=True):
    """Both sides of one case; replicate is 0."""

    a: Case
    b: Case


class PairRow(Struct, frozen=True, kw_only=True):
    """One time of one case on both sides.

    decides  whether `ab` stopped by this row: the whole step's wall time
    a, b     geometric means of the process medians, in seconds
    """

    case_pair: CasePair
    phase: Phase
    metric: str
    decides: bool
    a: float
    b: float
    verdict: Verdict


def rows(case_pairs: Sequence[CasePair], directory: Path, margin: float) -> list[PairRow]:
    """The rows of all cases, from the records in `directory`/a and `directory`/b."""
    sides = [_by_case(read_records(directory / side / RECORDS)) for side in ("a", "b")]
    return [
        row
        for case_pair in case_pairs
        for row in _rows_of(case_pair, sides[0].get(case_pair.a, {}), sides[1].get(case_pair.b, {}), margin)
    ]


def _by_case(records: Iterable[Record]) -> dict[Case, dict[int, Record]]:
    """Case -> pair -> record, of what was measured."""
    found: dict[Case, dict[int, Record]] = {}
    for record in records:
        if record.status == "ok" and record.pair is not None:
            found.setdefault(record.case.without_replicate(), {})[record.pair] = record
    return found


def _rows_of(
    case_pair: CasePair, a: Mapping[int, Record], b: Mapping[int, Record], margin: float
) -> Iterable[PairRow]:
    times_a = {pair: _times(record) for pair, record in a.items()}
    times_b = {pair: _times(record) for pair, record in b.items()}
    both = sorted(times_a.keys() & times_b.keys())
    for key in dict.fromkeys(key for pair in both for key in times_a[pair]):
        pairs = [pair for pair in both if key in times_a[pair] and key in times_b[pair]]
        if not pairs:
            continue
        of_a, of_b = [times_a[pair][key] for pair in pairs], [times_b[pair][key] for pair in pairs]
        verdict = verdicts.interim_verdict(
            [math.log(y / x) for x, y in zip(of_a, of_b, strict=True)], margin, last=True
        )
        assert verdict is not None
        yield PairRow(
            case_pair=case_pair,
            phase=key[0],
            metric=key[1],
            decides=key == (whole(case_pair.a), "wall_time"),
            a=centre(of_a),
            b=centre(of_b),
            verdict=verdict,
        )


def _times(record: Record) -> dict[Key, float]:
    """What has a ratio: a clock that is too coarse for a phase may say 0."""
    used = [m for m in record.measurements if m.metric in TIMES and not m.disturbed]
    medians = {(m.phase, m.metric): median(m.samples) for m in used}
    return {key: seconds for key, seconds in medians.items() if seconds > 0}
