"""Each case of an archive as a series of runs."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.archive import archive_folder, archive_index, superseded
from bench.archive.run_conditions import CLOCKS
from bench.stats.run_series import SeriesPoint

BOUNDARIES = ("driver", "torch", CLOCKS)
"""Conditions whose change is tested as a step of its own."""


class SeriesRun(Struct, frozen=True, kw_only=True):
    """A run of the archive, as the cases of one kind of machine see it.

    first       SHA-256 of its first record, which stays when it is resumed and added again; "" if unknown
    at          when it was measured, ISO 8601 in UTC; when it was added where the clock of its host was wrong
    is_dated    False where the clock was wrong
    conditions  what may explain a step, by name: `driver`, `torch`, `clock setting`, `commit`, `host`, ...
                (`bench.archive.run_conditions`), as far as the records say
    """

    digest: str
    first: str = ""
    label: str
    at: str
    is_dated: bool = True
    conditions: Mapping[str, str]


class CaseSeries(Struct, frozen=True, kw_only=True):
    """One case on one kind of machine.

    case         its id
    kind         the GPU's name, or the processor's of a case that runs on none
    fingerprint  of the network; a network that changed is another series
    origin       "" of our own measurements, else the tool: `timm`, `hyperfine`, `pytest-benchmark`
    runs         in the order of time; runs of one kind are shared between series
    points       one for each run that timed the case
    failed_at    of later runs, in which the case failed and none timed it, when they were measured
    """

    case: str
    model: str
    kind: str
    fingerprint: str
    origin: str = ""
    runs: tuple[SeriesRun, ...]
    points: tuple[SeriesPoint, ...]
    failed_at: tuple[str, ...] = ()


class SeriesFound(Struct, frozen=True, kw_only=True):
    """Series by case, kind, fingerprint and origin, and what is wrong with entries that cannot be read."""

    series: tuple[CaseSeries, ...]
    damaged: tuple[str, ...] = ()


_RUNS = f"""
SELECT digest, first, kind, label, at, is_dated, texts FROM entries JOIN conditions USING (digest)
WHERE (?1 IS NULL OR label = ?1) AND {superseded.COUNTS}
"""
_POINTS = f"""
SELECT name, kind, fingerprint, origin, model, digest, log_seconds, scatter, timed, units
FROM cases JOIN entries USING (digest) WHERE timed > 0 AND (?1 IS NULL OR label = ?1) AND {superseded.COUNTS}
ORDER BY name, kind, fingerprint, origin, at, digest
"""
_FAILED = f"""
SELECT name, origin, kind, at FROM cases JOIN entries USING (digest)
WHERE timed = 0 AND cases.failed > 0 AND (?1 IS NULL OR label = ?1) AND {superseded.COUNTS} ORDER BY at
"""
_LAST = f"""
SELECT name, origin, kind, max(at) FROM cases JOIN entries USING (digest)
WHERE timed > 0 AND (?1 IS NULL OR label = ?1) AND {superseded.COUNTS} GROUP BY name, origin, kind
"""


def read(archive: Path, *, label: str | None = None) -> SeriesFound:
    """All series, of the runs with this label or of all. Raises UserError without an archive."""
    archive_folder.require(archive)
    found, damaged = archive_index.answered(archive, lambda index: tuple(_series(index, label)))
    return SeriesFound(series=found, damaged=tuple(damaged))


def _series(index: sqlite3.Connection, label: str | None) -> Iterator[CaseSeries]:
    runs = _runs(index, label)
    in_time = sorted({(run.at, run.digest) for run in runs.values()})
    places = {digest: place for place, (_, digest) in enumerate(in_time)}
    failed = _failed(index, label)
    for key, rows in groupby(index.execute(_POINTS, (label,)), key=itemgetter(0, 1, 2, 3)):
        case, kind, fingerprint, origin = key
        models, digests, *figures = zip(*(row[4:] for row in rows), strict=True)
        own = tuple(runs[digest, kind] for digest in digests)
        yield CaseSeries(
            case=case,
            model=models[-1],
            kind=kind,
            fingerprint=fingerprint,
            origin=origin,
            runs=own,
            failed_at=tuple(failed.get((case, origin, kind, own[-1].at), ())),
            points=tuple(map(_point, *figures, _boundaries(own), map(places.__getitem__, digests))),
        )


def _failed(index: sqlite3.Connection, label: str | None) -> dict[tuple[str, str, str, str], list[str]]:
    """By case, tool, kind of machine and when it was timed last, of whatever network: when it failed since. A
    process that failed before it looked does not say its kind."""
    last = {(case, origin, kind): at for case, origin, kind, at in index.execute(_LAST, (label,))}
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for case, origin, kind, at in index.execute(_FAILED, (label,)):
        for key in last if not kind else ((case, origin, kind),):
            if key[:2] == (case, origin) and at > last.get(key, at):
                found.setdefault((*key, last[key]), []).append(at)
    return found


def _point(
    log_seconds: float,
    scatter: float | None,
    processes: int,
    units: int,
    is_boundary: bool,
    position: int,
) -> SeriesPoint:
    return SeriesPoint(
        log_seconds=log_seconds,
        scatter=scatter,
        processes=processes,
        units=units,
        position=position,
        is_boundary=is_boundary,
    )


def _boundaries(runs: Sequence[SeriesRun]) -> Iterator[bool]:
    """Of each run whether a condition of BOUNDARIES is another than it was last known to be: of a run that
    does not say, nothing changed."""
    known: dict[str, str] = {}
    for run in runs:
        now = {name: run.conditions[name] for name in BOUNDARIES if name in run.conditions}
        yield any(known.get(name, text) != text for name, text in now.items())
        known |= now


def _runs(index: sqlite3.Connection, label: str | None) -> dict[tuple[str, str], SeriesRun]:
    """By digest and kind. Equal conditions are one object, and equal texts: most are those of the night
    before."""
    shared: dict[str, Mapping[str, str]] = {}
    runs = {}
    for digest, first, kind, labeled, at, is_dated, texts in index.execute(_RUNS, (label,)):
        if texts not in shared:
            decoded = msgspec.json.decode(texts, type=dict[str, str])
            shared[texts] = {sys.intern(name): sys.intern(text) for name, text in decoded.items()}
        runs[digest, sys.intern(kind)] = SeriesRun(
            digest=digest,
            first=first,
            label=sys.intern(labeled),
            at=at,
            is_dated=bool(is_dated),
            conditions=shared[texts],
        )
    return runs
