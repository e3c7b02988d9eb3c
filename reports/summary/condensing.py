"""Records to processes, many at a time: their samples are sorted and counted together, by numpy.

Python is too slow to look at each sample of a big run: 100,000 records have 14 million.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from bench.schema.case import Case
from bench.schema.metrics import SCATTERING
from bench.schema.phases import Phase, whole
from bench.schema.record import Effective, Environment, Measurement, Record
from bench.schema.window_clocks import WindowClocks, window_clocks
from reports.summary.figures import CURVES, EPOCH, LEARNED, SPEEDS, THROUGHPUT_METRICS, ReadBack
from reports.summary.process import NO_INTERVAL, UNKNOWN_VARIANCE, VARIANCE_OF_ONE, Key, Process
from reports.summary.sharing import Interner, OncePerObject
from reports.summary.timed_series import TimedSeries, of_several, of_single

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLES_AT_ONCE = 100_000
"""Samples that wait to be sorted together: a cache holds them, and a call of numpy costs nothing beside."""


def condensed(records: Iterable[tuple[int, Record]]) -> Iterator[tuple[Case, Process]]:
    """Each record as a process, with its case, whose replicate is 0; in the order of the records.

    Of a process that did not end well no measurement is kept.
    """
    shared = _Shared()
    batch = _Batch(shared)
    for run, record in records:
        batch.add(run, record)
        if batch.samples >= SAMPLES_AT_ONCE:
            yield from batch.processes()
            batch = _Batch(shared)
    yield from batch.processes()


class _Shape(Struct, frozen=True):
    """What follows from the keys of a record: which are times of the whole step, which scatter, and whether
    there are clocks of a GPU."""

    keys: tuple[Key, ...]
    timed: tuple[int, ...]
    scatters: bytes
    has_clocks: bool


class _Shared:
    """What is equal between records is one object."""

    def __init__(self) -> None:
        self.equal = Interner()
        self.read_back = OncePerObject[Effective, ReadBack](lambda found: self.equal(_read_back(found)))
        self.environment = OncePerObject[Environment | None, bytes](
            lambda found: self.equal(msgspec.json.encode(found))
        )
        self.absent = OncePerObject[dict[str, str], tuple[tuple[str, str], ...]](
            lambda found: self.equal(tuple(sorted(found.items())))
        )
        self._shapes: dict[tuple[Phase | None, tuple[Key, ...]], _Shape] = {}

    def shape(self, step: Phase | None, kept: Sequence[Measurement]) -> _Shape:
        """`step` is the phase of the whole step."""
        keys = tuple([(m.phase, m.metric, m.unit, m.layer, m.product) for m in kept])
        known = self._shapes.get((step, keys))
        if known is None:
            timed = [at for at, key in enumerate(keys) if key[0] == step and key[1] in THROUGHPUT_METRICS]
            scatters = bytes(key[1] in SCATTERING for key in keys)
            has_clocks = any(key[:2] == ("window", "sm_clock") for key in keys)
            known = self._shapes[step, keys] = _Shape(keys, tuple(timed), scatters, has_clocks)
        return known


class _Series(Struct, gc=False):
    """Series of samples of one length, one after the other, and their places among those of the batch."""

    places: array[int]
    samples: array[float]


class _Waiting(Struct, gc=False):
    """A process without what its samples are sorted for; its series begin at `first` of those of the batch.

    `kept` is the record without its samples, `counted` are the numbers of samples that its figures are of.
    """

    run: int
    kept: Record
    shape: _Shape
    sizes: tuple[int, ...]
    counted: tuple[int, ...]
    first: int
    curves: tuple[tuple[str, str, array[float]], ...]
    clocks: tuple[tuple[str, WindowClocks], ...]


class _Batch:
    """Records whose samples are sorted together."""

    def __init__(self, shared: _Shared) -> None:
        self.samples = 0
        self._shared = shared
        self._waiting: list[_Waiting] = []
        self._series: dict[int, _Series] = {}
        self._firsts = array("d")
        self._scatters = bytearray()

    def add(self, run: int, record: Record) -> None:
        """Take over a record: its samples are copied, and its measurements are emptied."""
        usable = record.measurements if record.status == "ok" else []
        kept = [m for m in usable if m.samples and not m.disturbed]
        shape = self._shared.shape(whole(record.case), kept)
        series: list[Sequence[float]] = [m.samples for m in kept]
        sizes = counted = self._shared.equal(tuple(map(len, series)))
        curves: tuple[tuple[str, str, array[float]], ...] = ()
        if record.case.task is not None:
            series = [_counted(m) for m in kept]
            counted = tuple(map(len, series))
            curves = tuple([(m.metric, m.unit, array("d", m.samples)) for m in kept if _is_curve(m)])
        clocks = self._shared.equal(_clocks(kept)) if shape.has_clocks else ()
        first = len(self._firsts)
        for at in _several_samples(counted):
            found = self._series.get(counted[at])
            if found is None:
                found = self._series[counted[at]] = _Series(array("q"), array("d"))
            found.places.append(first + at)
            found.samples.extend(series[at])
        self._firsts.extend([samples[0] for samples in series])
        self._scatters += shape.scatters
        self.samples += sum(counted)
        # what is read next takes the place of the samples in the memory: that is a third of the time
        record.measurements.clear()
        self._waiting.append(_Waiting(run, record, shape, sizes, counted, first, curves, clocks))

    def processes(self) -> Iterator[tuple[Case, Process]]:
        """Of all its records, in their order."""
        numbers, times = self._figures()
        for waiting in self._waiting:
            end = waiting.first + len(waiting.sizes)
            bits = numbers[:, waiting.first : end].tobytes()
            yield waiting.kept.case.without_replicate(), self._process(waiting, bits, times)

    def _figures(self) -> tuple[NDArray[np.float64], dict[int, TimedSeries]]:
        """All figures, as in `Process.numbers`, and what is kept of times of whole steps, by their places."""
        import numpy as np

        from bench.stats.sample_rows import SampleRows

        numbers = np.empty((4, len(self._firsts)))
        scatters = np.frombuffer(self._scatters, np.bool_)
        numbers[0] = np.frombuffer(self._firsts)
        numbers[1:3] = np.array(NO_INTERVAL)[:, None]
        numbers[3] = np.where(scatters & (numbers[0] > 0), VARIANCE_OF_ONE, UNKNOWN_VARIANCE)
        steps = {
            waiting.first + at: waiting.shape.keys[at]
            for waiting in self._waiting
            for at in waiting.shape.timed
        }
        times: dict[int, TimedSeries] = {}
        for length, series in self._series.items():
            rows = SampleRows.of(np.frombuffer(series.samples).reshape(-1, length))
            places = np.frombuffer(series.places, np.int64)
            numbers[0, places] = rows.medians
            if (ends := rows.median_intervals()) is not None:
                numbers[1, places], numbers[2, places] = ends
            logs = np.flatnonzero(scatters[places] & (rows.ordered[:, 0] > 0))
            numbers[3, places] = UNKNOWN_VARIANCE
            numbers[3, places[logs]] = rows.only(logs).log_variances()
            timed = np.array([row for row, place in enumerate(series.places) if place in steps], np.intp)
            known = places[timed].tolist()
            found = of_several([steps.pop(place) for place in known], rows.only(timed))
            times.update(zip(known, found, strict=True))
        return numbers, times | {place: of_single(key, numbers[0, place]) for place, key in steps.items()}

    def _process(self, waiting: _Waiting, numbers: bytes, times: dict[int, TimedSeries]) -> Process:
        record, shape, shared = waiting.kept, waiting.shape, self._shared
        timed = [(shape.keys[at][1], times[waiting.first + at]) for at in shape.timed]
        noticed = [words for _, series in timed for words in series.noticed]
        return Process(
            run=waiting.run,
            replicate=record.case.replicate,
            pair=record.pair,
            status=record.status,
            reason=record.reason or "",
            effective=shared.read_back(record.effective),
            environment=shared.environment(record.environment),
            warnings=shared.equal((*record.warnings, *noticed)),
            absent=shared.absent(record.absent),
            keys=shape.keys,
            numbers=numbers,
            sizes=waiting.sizes,
            curves=waiting.curves,
            spreads=tuple([(metric, series.spread) for metric, series in timed]),
            clocks=waiting.clocks,
            network=record.fingerprint,
            seconds=record.seconds,
            digest=record.step_digest,
        )


def _clocks(kept: Sequence[Measurement]) -> tuple[tuple[str, WindowClocks], ...]:
    found = [(metric, window_clocks(kept, metric)) for metric in THROUGHPUT_METRICS]
    return tuple([(metric, clocks) for metric, clocks in found if clocks is not None])


def _read_back(effective: Effective) -> ReadBack:
    return ReadBack(
        tuple(sorted(effective.precision.items())),
        tuple(sorted(effective.machine.items())),
        effective.inputs,
    )


@lru_cache(maxsize=4096)
def _several_samples(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Where there are several of them."""
    return tuple([at for at, size in enumerate(sizes) if size > 1])


def _counted(measurement: Measurement) -> Sequence[float]:
    """The epochs of which the median is taken: of what was learned the last one alone; of speed all but the
    first, which compiles, tries algorithms and reserves memory, unless it is the only one."""
    samples = measurement.samples
    if measurement.phase != EPOCH:
        return samples
    if measurement.metric in LEARNED:
        return samples[-1:]
    return samples[1:] or samples if measurement.metric in SPEEDS else samples


def _is_curve(measurement: Measurement) -> bool:
    return measurement.phase == EPOCH and measurement.metric in CURVES
