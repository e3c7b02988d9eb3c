"""A record without its samples: what a report keeps of each process, so that 100,000 of them fit."""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bench.schema.case_warnings import CaseWarning
from bench.schema.ceiling_product import Product
from bench.schema.layer_phases import Layer
from bench.schema.metrics import SCATTERING
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.phases import Phase, whole
from bench.schema.record import Effective, Measurement, Record, Status
from bench.schema.window_clocks import WindowClocks, window_clocks
from bench.stats.diagnostics import autocorrelation, effective_samples, two_modes
from bench.stats.estimates import Interval, median_of_sorted, within_process
from bench.stats.published_prior import PUBLISHED
from reports.summary.figures import CURVES, EPOCH, LEARNED, SPEEDS, THROUGHPUT_METRICS, ReadBack

T = TypeVar("T", bound=Hashable)

Key = tuple[Phase, str, str, Layer | None, Product | None]
"""(phase, metric, unit, layer, product)"""

UNKNOWN_VARIANCE = -1.0
"""In the place of a variance of logs where a sample has none."""
VARIANCE_OF_ONE = math.exp(PUBLISHED.centre)
"""In the place of that of a single sample, which says nothing of it."""
TWENTIETHS = 20
"""A distribution is drawn from this many samples and one: the others would not be seen."""


class Process(Struct, frozen=True, gc=False):
    """One record without its samples; what is equal between records is one object.

    `run` is the index of its directory, `pair` the number of its interleaved pair.

    `medians`, `intervals` (within the process), `sizes` (samples) and `withins` (variances of the logs of the
    samples of times and energies, else UNKNOWN_VARIANCE) run along `keys`. `curves` are the
    epochs of a training run, by metric and unit; `spreads` are some samples of the time of the whole step;
    `clocks` are those of the GPU in the window of a time, by its metric; `seconds` are those that it took.
    """

    run: int
    replicate: int
    pair: int | None
    status: Status
    reason: str
    effective: ReadBack
    environment: bytes
    warnings: tuple[CaseWarning, ...]
    absent: tuple[tuple[str, str], ...]
    keys: tuple[Key, ...]
    medians: array[float]
    intervals: tuple[Interval | None, ...]
    sizes: tuple[int, ...]
    withins: array[float]
    curves: tuple[tuple[str, str, array[float]], ...]
    spreads: tuple[tuple[str, array[float]], ...]
    clocks: tuple[tuple[str, WindowClocks], ...]
    network: NetworkFingerprint | None
    seconds: float | None


def condense(run: int, record: Record, share: Interner) -> Process:
    """Of a process that did not end well no measurement is kept."""
    usable = record.measurements if record.status == "ok" else []
    kept = [m for m in usable if m.samples and not m.disturbed]
    trains = record.case.task is not None
    ordered = [sorted(_counted(m) if trains and m.phase == EPOCH else m.samples) for m in kept]
    step = whole(record.case)
    timed = [
        (measurement, samples)
        for measurement, samples in zip(kept, ordered, strict=True)
        if measurement.metric in THROUGHPUT_METRICS and measurement.phase == step
    ]
    noticed = [words for measurement, samples in timed for words in _noticed(measurement, samples)]
    return Process(
        run,
        record.case.replicate,
        record.pair,
        record.status,
        record.reason or "",
        share(_read_back(record.effective)),
        share(msgspec.json.encode(record.environment)),
        share((*record.warnings, *noticed)),
        share(tuple(sorted(record.absent.items()))),
        share(tuple([(m.phase, m.metric, m.unit, m.layer, m.product) for m in kept])),
        array("d", map(median_of_sorted, ordered)),
        share(tuple([within_process(samples) if len(samples) > 1 else None for samples in ordered])),
        share(tuple([len(m.samples) for m in kept])),
        array("d", map(_within, kept, ordered)),
        tuple([(m.metric, m.unit, array("d", m.samples)) for m in kept if trains and _is_curve(m)]),
        tuple([(measurement.metric, _evenly(samples)) for measurement, samples in timed]),
        share(_clocks(kept)),
        share(record.fingerprint),
        record.seconds,
    )


def _within(measurement: Measurement, ordered: Sequence[float]) -> float:
    """As `bench.stats.moderation.process_scatter` has it, of samples that are in order."""
    if measurement.metric not in SCATTERING or ordered[0] <= 0:
        return UNKNOWN_VARIANCE
    if len(ordered) == 1:
        return VARIANCE_OF_ONE
    if ordered[0] == ordered[-1]:
        return 0.0
    logs = list(map(math.log, ordered))
    middle = math.fsum(logs) / len(logs)
    return math.dist(logs, [middle] * len(logs)) ** 2 / (len(logs) - 1)


def _clocks(kept: Sequence[Measurement]) -> tuple[tuple[str, WindowClocks], ...]:
    found = [(metric, window_clocks(kept, metric)) for metric in THROUGHPUT_METRICS]
    return tuple([(metric, clocks) for metric, clocks in found if clocks is not None])


def _read_back(effective: Effective) -> ReadBack:
    return ReadBack(
        tuple(sorted(effective.precision.items())),
        tuple(sorted(effective.machine.items())),
        effective.inputs,
    )


def _evenly(ordered: Sequence[float]) -> array[float]:
    """The lowest sample, the highest, and those at each twentieth between; all where they are few."""
    return array("d", map(ordered.__getitem__, _places(len(ordered))))


@cache
def _places(count: int) -> tuple[int, ...]:
    """Worked out once for each number of samples: a report may have hundreds of thousands of series."""
    steps = min(count - 1, TWENTIETHS)
    return tuple(round((count - 1) * step / steps) for step in range(steps + 1)) if steps else (0,)


def _counted(measurement: Measurement) -> Sequence[float]:
    """The epochs of which the median is taken: of what was learned the last one alone; of speed all but the
    first, which compiles, tries algorithms and reserves memory, unless it is the only one."""
    samples = measurement.samples
    if measurement.metric in LEARNED:
        return samples[-1:]
    return samples[1:] or samples if measurement.metric in SPEEDS else samples


def _is_curve(measurement: Measurement) -> bool:
    return measurement.phase == EPOCH and measurement.metric in CURVES


def _noticed(measurement: Measurement, ordered: Sequence[float]) -> Iterator[CaseWarning]:
    """Warnings of what makes a process's median less sure than its interval says."""
    of = f"the {measurement.metric} of {measurement.phase}"
    if len(ordered) == 1:
        yield CaseWarning("one-sample", f"{of} is a single sample, and so may be one slow step")
    correlation = autocorrelation(measurement.samples)
    if correlation is not None:
        worth = effective_samples(len(ordered), correlation)
        yield CaseWarning(
            "autocorrelated",
            f"neighbouring samples of {of} are alike ({correlation:.2f}): "
            f"{len(ordered)} of them say as much as {worth:.0f} independent ones",
        )
    modes = two_modes(ordered)
    if modes is not None:
        yield CaseWarning(
            "bimodal",
            f"{modes.share:.0%} of the samples of {of} take {modes.ratio:.2f} x the others' time",
        )


class Interner:
    """Returns the first of all equal values it was called with, so that the others can be forgotten."""

    def __init__(self) -> None:
        self._first: dict[Hashable, Any] = {}

    def __call__(self, value: T) -> T:
        first: T = self._first.setdefault(value, value)
        return first
