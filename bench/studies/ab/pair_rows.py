"""The records of interleaved pairs -> a verdict for each case and metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.phases import Phase, whole
from bench.schema.record import Record
from bench.schema.window_clocks import WindowClocks, window_clocks
from bench.stats import verdicts
from bench.stats.clock_cause import InCycles, cycles_of, in_cycles
from bench.stats.estimates import Interval, across_processes, centre, mean, median
from bench.stats.verdicts import Verdict
from bench.store import RECORDS, read_records

TIMES = ("wall_time", "device_time", "host_time")
CLOCKED = ("wall_time", "device_time")
"""Those in which the GPU's clock has a part."""
Key = tuple[Phase, str]
"""Phase and metric."""


class CasePair(Struct, frozen=True, kw_only=True):
    """Both sides of one case; replicate is 0."""

    a: Case
    b: Case


class PairRow(Struct, frozen=True, kw_only=True):
    """One time of one case on both sides.

    decides  whether `ab` stopped by this row: the whole step's wall time
    a, b     geometric means of the process medians, in seconds; a_interval and b_interval are theirs alone,
             with what changed slowly in them
    ratios   b / a of each pair
    clocks   the same in cycles, and the cause of a difference: `ab` measures no ceilings, so that it is never
             known to be the clock
    seconds  that the processes of a pair take, in the mean; None where the records do not say
    """

    case_pair: CasePair
    phase: Phase
    metric: str
    decides: bool
    a: float
    b: float
    verdict: Verdict
    clocks: InCycles = InCycles()
    seconds: float | None = None
    a_interval: Interval | None = None
    b_interval: Interval | None = None
    ratios: tuple[float, ...] = ()


class _Time(Struct, frozen=True):
    """Of one process: its median in seconds, and the GPU's clocks in its window where they are known."""

    seconds: float
    clocks: WindowClocks | None
    power_capped: bool


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
        seconds_a, seconds_b = [time.seconds for time in of_a], [time.seconds for time in of_b]
        verdict = _verdict(seconds_a, seconds_b, margin)
        yield PairRow(
            case_pair=case_pair,
            phase=key[0],
            metric=key[1],
            decides=key == (whole(case_pair.a), "wall_time"),
            a=centre(seconds_a),
            b=centre(seconds_b),
            verdict=verdict,
            clocks=_in_cycles(of_a, of_b, verdict, margin),
            seconds=_seconds(a, b, both),
            a_interval=across_processes(seconds_a),
            b_interval=across_processes(seconds_b),
            ratios=tuple(two / one for one, two in zip(seconds_a, seconds_b, strict=True)),
        )


def _seconds(a: Mapping[int, Record], b: Mapping[int, Record], pairs: Sequence[int]) -> float | None:
    taken = [(a[pair].seconds, b[pair].seconds) for pair in pairs]
    known = [one + other for one, other in taken if one is not None and other is not None]
    return mean(known) if known else None


def _verdict(a: Sequence[float], b: Sequence[float], margin: float) -> Verdict:
    log_ratios = [math.log(y / x) for x, y in zip(a, b, strict=True)]
    verdict = verdicts.interim_verdict(log_ratios, margin, last=True)
    assert verdict is not None
    return verdict


def _in_cycles(a: Sequence[_Time], b: Sequence[_Time], verdict: Verdict, margin: float) -> InCycles:
    """Nothing unless every process has its clocks."""
    clocks_a = [time.clocks for time in a if time.clocks is not None]
    clocks_b = [time.clocks for time in b if time.clocks is not None]
    if len(clocks_a) < len(a) or len(clocks_b) < len(b):
        return InCycles()
    cycles_a, cycles_b = (
        [cycles_of(time.seconds, clocks) for time, clocks in zip(side, found, strict=True)]
        for side, found in ((a, clocks_a), (b, clocks_b))
    )
    return in_cycles(
        verdict,
        _verdict(cycles_a, cycles_b, margin),
        clocks_a,
        clocks_b,
        compute_bound=None,
        power_capped=any(time.power_capped for time in (*a, *b)),
    )


def _times(record: Record) -> dict[Key, _Time]:
    """What has a ratio: a clock that is too coarse for a phase may say 0."""
    used = [m for m in record.measurements if m.metric in TIMES and not m.disturbed]
    medians = {(m.phase, m.metric): median(m.samples) for m in used}
    clocks = {metric: window_clocks(record.measurements, metric) for metric in CLOCKED}
    capped = any(warning.label == "power-cap" for warning in record.warnings)
    return {
        (phase, metric): _Time(seconds, clocks.get(metric), capped)
        for (phase, metric), seconds in medians.items()
        if seconds > 0
    }
