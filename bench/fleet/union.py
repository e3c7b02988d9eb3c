"""The union of the records of several runs, process by process: each record once, two truths refused. Pure,
but for the sentence of a conflict, which reads the records in question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import devices
from bench.archive.archived_runs import as_named
from bench.fleet.record_index import Line
from bench.schema.plurals import how_many
from bench.schema.units import unit_of
from models.errors import UserError

_Sequences = dict[Path, list[Line]]
"""The records of one process by the run that holds them, each once, in the run's order."""


def united(lines: Iterable[tuple[Path, Line]]) -> list[Line]:
    """All records in one order, which does not depend on that of the runs: processes by their start, the
    records of one process as their run has them, since the last one counts.

    Each line comes with its run. Of a process that several runs hold one of them must have all records that
    the others have. Raises UserError where none has.
    """
    processes: dict[bytes, _Sequences] = {}
    for run, line in lines:
        own = processes.setdefault(line.process, {}).setdefault(run, [])
        if all(line.digest != each.digest for each in own):
            own.append(line)
    longest = []
    conflicts = []
    for sequences in processes.values():
        several = sorted(sequences.values(), key=len, reverse=True)
        longest.append(several[0])
        conflicts += [(several[0], each) for each in several[1:] if not _is_part(each, several[0])][:1]
    if conflicts:
        raise UserError(_in_words(conflicts))
    longest.sort(key=lambda own: (own[0].started_at, own[0].digest))
    return [line for own in longest for line in own]


def _is_part(some: Sequence[Line], of: Sequence[Line]) -> bool:
    """Whether all of some are in the other, in the same order."""
    rest = iter(each.digest for each in of)
    return all(line.digest in rest for line in some)


def _in_words(conflicts: Sequence[tuple[Sequence[Line], Sequence[Line]]]) -> str:
    """Of the one that began first."""
    one, other = min(
        conflicts, key=lambda pair: min((each.started_at, each.digest) for own in pair for each in own)
    )
    names = {line.digest for line in one}
    differs = next(line for line in other if line.digest not in names)
    folders = sorted({str(as_named(each.path.parent)) for each in (one[0], differs)})
    record = differs.record()
    case = record.case
    unit = unit_of(record.environment, uses_gpu=devices.traits(case.device).uses_gpu)
    others = how_many(len(conflicts) - 1, "more process", "more processes")
    more = f" (and {others})" if len(conflicts) > 1 else ""
    return (
        f"{' and '.join(folders)} hold different records of one process, {case.id} replicate "
        f"{case.replicate} on {unit.name}{more}: they measured it twice. Leave one out, or give both to "
        "convbench report"
    )
