"""Records -> what they say: one row for each figure, the machines, what failed and what to beware of.

Streams: of each process only medians stay in memory, never its samples.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs

from bench.case import Case
from bench.record import SPOILED, Environment, Measurement, Record, Status
from bench.stats import Interval, across_processes, centre, median_of_sorted, within_process
from bench.streams import autocorrelation, effective_samples, two_modes
from reports.figures import THROUGHPUT_METRICS, Effective, Figure, Outcome, Summary, Warned, sort_key
from reports.latency import WHOLE
from reports.read import read_records

T = TypeVar("T", bound=Hashable)

_Key = tuple[str, str, str]
"""(phase, metric, unit)"""


class _Process(Struct, frozen=True, gc=False):
    """One record without its samples; what is equal between records is one object.

    `run` is the index of its directory, `pair` the number of its interleaved pair.

    `medians`, `intervals` (within the process) and `sizes` (samples) run along `keys`.
    """

    run: int
    pair: int | None
    status: Status
    reason: str
    effective: Effective
    environment: bytes
    warnings: tuple[str, ...]
    keys: tuple[_Key, ...]
    medians: array[float]
    intervals: tuple[Interval | None, ...]
    sizes: tuple[int, ...]


_Processes = dict[tuple[int, int], _Process]
"""By (directory, replicate): of one process that was run again the last record counts."""


def summarise(directories: Sequence[Path]) -> Summary:
    """Read and pool the runs in `directories`. Raises UserError as `read_records` does."""
    notes: list[str] = []
    cases: dict[Case, _Processes] = {}
    share = _Share()
    for directory, record in read_records(directories, notes.append):
        processes = cases.setdefault(record.case.without_replicate(), {})
        processes[directory, record.case.replicate] = _slim(directory, record, share)
    ordered = sorted(cases.items(), key=lambda item: sort_key(item[0]))
    environments, label_of = _environments(
        process.environment for _, processes in ordered for process in processes.values()
    )
    return Summary(
        figures=tuple(
            figure for case, processes in ordered for figure in _figures(case, processes.values(), label_of)
        ),
        environments=environments,
        outcomes=tuple(
            outcome for case, processes in ordered for outcome in _outcomes(case, processes.values())
        ),
        warnings=_warnings(ordered),
        notes=tuple(notes),
        records=sum(len(processes) for processes in cases.values()),
    )


def warning_label(warning: str) -> str:
    """`not-stationary: windows differ by 3%` -> `not-stationary`; a sentence is its own label."""
    match = re.match(r"[a-z0-9-]+(?=:|$)", warning)
    return match[0] if match else warning


def _slim(run: int, record: Record, share: _Share) -> _Process:
    usable = record.measurements if record.status == "ok" else []
    kept = [m for m in usable if m.samples and not m.metric.startswith(SPOILED)]
    ordered = [sorted(measurement.samples) for measurement in kept]
    noticed = (
        words
        for measurement, samples in zip(kept, ordered, strict=True)
        if measurement.metric in THROUGHPUT_METRICS and measurement.phase == WHOLE[record.case.workload]
        for words in _noticed(measurement, samples)
    )
    return _Process(
        run,
        record.pair,
        record.status,
        record.reason or "",
        share(tuple(sorted(record.effective.items()))),
        share(msgspec.json.encode(record.environment)),
        share((*record.warnings, *noticed)),
        share(tuple([(m.phase, m.metric, m.unit) for m in kept])),
        array("d", map(median_of_sorted, ordered)),
        share(tuple([within_process(samples) if len(samples) > 1 else None for samples in ordered])),
        share(tuple(map(len, ordered))),
    )


def _noticed(measurement: Measurement, ordered: Sequence[float]) -> Iterator[str]:
    """Warnings of what makes a process's median less sure than its interval says."""
    of = f"the {measurement.metric} of {measurement.phase}"
    correlation = autocorrelation(measurement.samples)
    if correlation is not None:
        worth = effective_samples(len(ordered), correlation)
        yield (
            f"autocorrelated: neighbouring samples of {of} are alike ({correlation:.2f}): "
            f"{len(ordered)} of them say as much as {worth:.0f} independent ones"
        )
    modes = two_modes(ordered)
    if modes is not None:
        yield f"bimodal: {modes.share:.0%} of the samples of {of} take {modes.ratio:.2f} x the others' time"


class _Share:
    """Returns the first of all equal values it was called with, so that the others can be forgotten."""

    def __init__(self) -> None:
        self._first: dict[Hashable, Any] = {}

    def __call__(self, value: T) -> T:
        first: T = self._first.setdefault(value, value)
        return first


def _figures(case: Case, processes: Iterable[_Process], label_of: dict[bytes, str]) -> Iterator[Figure]:
    """One figure for each metric; what differed in more than host name or commit is never pooled."""
    alike: dict[tuple[Effective, bytes], list[_Process]] = {}
    for process in processes:
        if process.status == "ok":
            conditions = (process.effective, _conditions(process.environment, case.device))
            alike.setdefault(conditions, []).append(process)
    for (effective, _), group in alike.items():
        machine = tuple(sorted({label_of[p.environment] for p in group if p.environment in label_of}))
        tags = tuple(dict.fromkeys(warning_label(text) for process in group for text in process.warnings))
        for (phase, metric, unit), (medians, intervals, sizes, runs, pairs) in _columns(group).items():
            yield Figure(
                case=case,
                effective=effective,
                machine=machine,
                phase=phase,
                metric=metric,
                unit=unit,
                median=centre(medians),
                interval=across_processes(medians) if len(medians) > 1 else intervals[0],
                medians=tuple(medians),
                runs=tuple(runs),
                pairs=tuple(pairs),
                samples=sum(sizes),
                tags=tags,
            )


_Column = tuple[list[float], list[Interval | None], list[int], list[int], list[int | None]]
"""Of one metric: medians, intervals, numbers of samples, runs and pairs of the processes."""


def _columns(group: Iterable[_Process]) -> dict[_Key, _Column]:
    """Each metric over the processes that have it.

    Processes of one case nearly always have the same metrics, and then a column is read off at once.
    """
    alike: defaultdict[tuple[_Key, ...], list[_Process]] = defaultdict(list)
    for process in group:
        alike[process.keys].append(process)
    columns: dict[_Key, _Column] = {}
    for keys, processes in alike.items():
        for at, key in enumerate(keys):
            medians, intervals, sizes, runs, pairs = columns.setdefault(key, ([], [], [], [], []))
            medians += [process.medians[at] for process in processes]
            intervals += [process.intervals[at] for process in processes]
            sizes += [process.sizes[at] for process in processes]
            runs += [process.run for process in processes]
            pairs += [process.pair for process in processes]
    return columns


@lru_cache(maxsize=1024)
def _decode_environment(encoded: bytes) -> Environment | None:
    return msgspec.json.decode(encoded, type=Environment | None)


@lru_cache(maxsize=1024)
def _conditions(encoded: bytes, device: str) -> bytes:
    """What must be equal for two processes to be replicates of each other."""
    environment = _decode_environment(encoded)
    if environment is None:
        return b""
    gpu = None if device == "cpu" else environment.gpu
    return msgspec.json.encode(structs.replace(environment, host="", commit=None, gpu=gpu))


def _outcomes(case: Case, processes: Iterable[_Process]) -> Iterator[Outcome]:
    counted = Counter((process.status, process.reason) for process in processes if process.status != "ok")
    for (status, reason), count in counted.items():
        yield Outcome(case=case, status=status, reason=reason, processes=count)


def _warnings(cases: Iterable[tuple[Case, _Processes]]) -> tuple[Warned, ...]:
    examples: dict[str, str] = {}
    carriers: dict[str, Counter[Case]] = {}
    for case, processes in cases:
        for process in processes.values():
            for text in process.warnings:
                label = warning_label(text)
                examples.setdefault(label, text)
                carriers.setdefault(label, Counter())[case] += 1
    return tuple(
        Warned(label=label, example=examples[label], cases=tuple(found), processes=found.total())
        for label, found in carriers.items()
    )


def _environments(encoded: Iterable[bytes]) -> tuple[dict[str, Environment], dict[bytes, str]]:
    """The distinct environments under the labels A, B, ..., and the label of each encoded one.

    A child that measures on the CPU may not have looked for a GPU; it does not make a second machine.
    """
    decoded = {raw: _decode_environment(raw) for raw in dict.fromkeys(encoded)}
    found = {raw: environment for raw, environment in decoded.items() if environment is not None}
    fuller = [(structs.replace(other, gpu=None), other) for other in found.values() if other.gpu]
    distinct: list[Environment] = []
    label_of: dict[bytes, str] = {}
    for raw, environment in found.items():
        whole = next((other for without, other in fuller if without == environment), environment)
        if whole not in distinct:
            distinct.append(whole)
        label_of[raw] = _label(distinct.index(whole))
    return {_label(index): environment for index, environment in enumerate(distinct)}, label_of


def _label(index: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
