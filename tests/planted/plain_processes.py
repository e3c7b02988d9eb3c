"""Records to processes one at a time, in plain Python: what `reports.summary.condensing` does with numpy."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.metrics import SCATTERING
from bench.schema.phases import whole
from bench.schema.record import Measurement, Record
from bench.schema.window_clocks import window_clocks
from bench.stats.diagnostics import autocorrelation, effective_samples, two_modes
from bench.stats.estimates import median_of_sorted, within_process
from bench.stats.moderation import process_scatter
from reports.summary.figures import CURVES, EPOCH, LEARNED, SPEEDS, THROUGHPUT_METRICS, ReadBack
from reports.summary.process import NO_INTERVAL, UNKNOWN_VARIANCE, Process


def plain(records: Iterable[tuple[int, Record]]) -> Iterator[tuple[Case, Process]]:
    """As `condensed`."""
    for run, record in records:
        yield record.case.without_replicate(), _process(run, record)


# long: a line for each field of a process.
def _process(run: int, record: Record) -> Process:
    usable = record.measurements if record.status == "ok" else []
    kept = [m for m in usable if m.samples and not m.disturbed]
    trains = record.case.task is not None
    ordered = [sorted(_counted(m) if trains and m.phase == EPOCH else m.samples) for m in kept]
    intervals = [within_process(samples) for samples in ordered]
    numbers = (
        *(median_of_sorted(samples) for samples in ordered),
        *(found.low if found else NO_INTERVAL[0] for found in intervals),
        *(found.high if found else NO_INTERVAL[1] for found in intervals),
        *map(_within, kept, ordered),
    )
    timed = [
        (measurement, samples)
        for measurement, samples in zip(kept, ordered, strict=True)
        if measurement.metric in THROUGHPUT_METRICS and measurement.phase == whole(record.case)
    ]
    noticed = [words for measurement, samples in timed for words in _noticed(measurement, samples)]
    clocks = [(metric, window_clocks(kept, metric)) for metric in THROUGHPUT_METRICS]
    effective = record.effective
    return Process(
        run=run,
        replicate=record.case.replicate,
        pair=record.pair,
        status=record.status,
        reason=record.reason or "",
        effective=ReadBack(
            tuple(sorted(effective.precision.items())),
            tuple(sorted(effective.machine.items())),
            effective.inputs,
        ),
        environment=msgspec.json.encode(record.environment),
        warnings=(*record.warnings, *noticed),
        absent=tuple(sorted(record.absent.items())),
        keys=tuple((m.phase, m.metric, m.unit, m.layer, m.product) for m in kept),
        numbers=array("d", numbers).tobytes(),
        sizes=tuple(len(m.samples) for m in kept),
        curves=tuple(
            (m.metric, m.unit, array("d", m.samples))
            for m in kept
            if trains and m.phase == EPOCH and m.metric in CURVES
        ),
        spreads=tuple((measurement.metric, _evenly(samples)) for measurement, samples in timed),
        clocks=tuple((metric, found) for metric, found in clocks if found is not None),
        network=record.fingerprint,
        seconds=record.seconds,
    )


def _within(measurement: Measurement, ordered: Sequence[float]) -> float:
    scatter = process_scatter(ordered) if measurement.metric in SCATTERING else None
    return scatter.within if scatter else UNKNOWN_VARIANCE


def _evenly(ordered: Sequence[float]) -> array[float]:
    steps = min(len(ordered) - 1, 20)
    places = [round((len(ordered) - 1) * step / steps) for step in range(steps + 1)] if steps else [0]
    return array("d", [ordered[place] for place in places])


def _counted(measurement: Measurement) -> Sequence[float]:
    samples = measurement.samples
    if measurement.metric in LEARNED:
        return samples[-1:]
    return samples[1:] or samples if measurement.metric in SPEEDS else samples


def _noticed(measurement: Measurement, ordered: Sequence[float]) -> Iterator[CaseWarning]:
    of = f"the {measurement.metric} of {measurement.phase}"
    if len(ordered) == 1:
        yield CaseWarning("one-sample", f"{of} is a single sample, perhaps one slow step")
    correlation = autocorrelation(measurement.samples)
    if correlation is not None:
        worth = effective_samples(len(ordered), correlation)
        yield CaseWarning(
            "autocorrelated",
            f"samples of {of} correlate with the next ({correlation:.2f}): {len(ordered)} samples count as "
            f"{worth:.0f} independent ones",
        )
    modes = two_modes(ordered)
    if modes is not None:
        yield CaseWarning(
            "bimodal",
            f"{modes.share:.0%} of the samples of {of} take {modes.ratio:.2f}x as long as the rest",
        )
