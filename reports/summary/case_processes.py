"""The processes of each case, each of them once, and where they ran."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from bench import devices
from bench.schema.case import Case
from bench.schema.units import Unit
from reports.summary.case_order import sort_key
from reports.summary.copied_records import Copies
from reports.summary.places import Places
from reports.summary.process import Process
from reports.summary.record_stream import Part

Processes = dict[tuple[int, Unit, int], Process]
"""By (run, unit, replicate): of one process that was run again the last record counts."""


def by_case(
    found: Iterable[tuple[Case, Process]], parts: Sequence[Part], warn: Callable[[str], None]
) -> tuple[list[tuple[Case, Processes]], Callable[[Case], Places]]:
    """The processes of each case, cases in the order of a report; and where those of a case ran. `warn` is
    told of copies, which are left out."""
    named = {part.run: part.named for part in parts}
    copies = Copies()
    cases: dict[Case, list[Process]] = {}
    for case, process in found:
        own = cases.setdefault(case, [])
        if not _is_timed(process) or not copies.is_copy(named[process.run], (case, _identity(process))):
            own.append(process)
    for note in copies.notes():
        warn(note)
    ordered = sorted(cases.items(), key=lambda item: sort_key(item[0]))

    @lru_cache(maxsize=2)
    def of_sort(uses_gpu: bool) -> Places:
        own = (p for case, processes in ordered if _uses_gpu(case) == uses_gpu for p in processes)
        return Places(own, parts, uses_gpu=uses_gpu)

    def places(case: Case) -> Places:
        return of_sort(_uses_gpu(case))

    return [(case, _each_once(processes, places(case))) for case, processes in ordered], places


def _is_timed(process: Process) -> bool:
    """An accuracy may well be that of another process."""
    return any(unit == "s" for _, _, unit, _, _ in process.keys)


def _identity(process: Process) -> tuple[object, ...]:
    """What no other timed process has: all its figures, and how long it took."""
    figures = process.keys, process.numbers, process.sizes, process.seconds
    return process.replicate, process.environment, process.network, *figures


def _uses_gpu(case: Case) -> bool:
    return devices.traits(case.device).uses_gpu


def _each_once(processes: Iterable[Process], places: Places) -> Processes:
    """Of several attempts at one process one that failed does not stand for one that ended well."""
    found: Processes = {}
    for process in processes:
        key = places.run(process), places.unit(process), process.replicate
        earlier = found.get(key)
        if earlier is None or earlier.run == process.run or process.status == "ok" or earlier.status != "ok":
            found[key] = process
    return found
