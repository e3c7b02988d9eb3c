"""How narrow the interval of each case is while its run goes on, from what its records have said so far.

The intervals are those that the report will print: moderated, over all cases of one device and one clock.
Of a record only what they need is kept, so no file is read again. Where a run went on under other conditions
(a new version of torch, another allocator), processes of before and after are never pooled: a case is known
by those of which there are more, or by the later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec.json import encode

from bench import devices
from bench.runner.rounds import Width
from bench.schema.case import Case
from bench.schema.phases import whole
from bench.schema.record import Record, find
from bench.schema.replicate_conditions import conditions_of
from bench.stats import moderation
from bench.stats.moderation import ProcessScatter

_EXPLAINS = ("host_time",)
"""Clocks that say why a step takes so long, and not how long: no process is run to know them better."""
_Conditions = tuple[bytes, bytes]
_Processes = dict[int, tuple[_Conditions, ProcessScatter]]
"""Of one case and clock, by the process's number, in the order of their records."""


class Precision:
    """The scatter of every process of a run; see `bench.runner.rounds.Widths`."""

    def __init__(self) -> None:
        """Of a run without records."""
        self._scatters: dict[tuple[str, str], dict[Case, _Processes]] = defaultdict(dict)

    def add(self, record: Record) -> None:
        """Take a record in; of several of one process the last counts."""
        case, phase = record.case, whole(record.case)
        if phase is None:
            return
        for clock in devices.traits(case.device).clocks:
            if clock in _EXPLAINS:
                continue
            processes = self._scatters[case.device, clock].setdefault(case.without_replicate(), {})
            processes.pop(case.replicate, None)
            measured = find(record.measurements, phase, clock) if record.status == "ok" else None
            scatter = moderation.process_scatter(measured.samples) if measured else None
            if scatter is not None:
                processes[case.replicate] = _conditions(record), scatter

    def widths(self, target: float) -> Mapping[Case, Width]:
        """Of every case with two processes or more that have a time: by the clock that is known worst."""
        found: dict[Case, Width] = {}
        for of_cases in self._scatters.values():
            for case, width in _of_clock(of_cases, target):
                found[case] = _worse(found[case], width) if case in found else width
        return found


def _of_clock(of_cases: Mapping[Case, _Processes], target: float) -> Iterable[tuple[Case, Width]]:
    """One prior for all cases of a device and a clock."""
    alike = {case: _most_alike(found) for case, found in of_cases.items()}
    known = {case: processes for case, processes in alike.items() if len(processes) > 1}
    if not known:
        return
    scatters = [moderation.case_scatter(processes) for processes in known.values()]
    moderated = moderation.moderate_all(scatters, moderation.fit(scatters))
    for (case, processes), each in zip(known.items(), moderated, strict=True):
        n = len(processes)
        yield (
            case,
            Width(
                half=moderation.half_width(each, n),
                restless=moderation.is_restless(each),
                more=moderation.more_processes(each, n, target),
            ),
        )


def _most_alike(processes: _Processes) -> list[ProcessScatter]:
    """Those of the conditions that most have, of two alike the later."""
    by_conditions: dict[_Conditions, list[ProcessScatter]] = {}
    for conditions, scatter in processes.values():
        by_conditions.setdefault(conditions, []).append(scatter)
    return max(reversed(by_conditions.values()), key=len, default=[])


def _conditions(record: Record) -> _Conditions:
    """What a report tells apart."""
    uses_gpu = devices.traits(record.case.device).uses_gpu
    alike = record.environment and conditions_of(record.environment, uses_gpu=uses_gpu)
    return encode(alike, order="sorted"), encode(record.effective, order="sorted")


def _worse(one: Width, other: Width) -> Width:
    more = None if one.more is None or other.more is None else max(one.more, other.more)
    return Width(half=max(one.half, other.half), restless=one.restless or other.restless, more=more)
