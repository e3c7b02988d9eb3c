"""The processes of a packed run, each once: attempts of a fleet repeat some, --resume runs others again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from bench import devices
from bench.archive.run_files import SIDES
from bench.schema.archive_entry import CaseFacts, KeptFile
from bench.schema.case import Caches, Case
from bench.schema.fleet_plan import CONFIRM, FLEET
from bench.schema.network_fingerprint import NetworkFingerprint
from bench.schema.record import FAILED, Record
from bench.schema.units import REPLACED, place_of, unit_of
from bench.stats.whole_times import whole_seconds
from bench.store import RECORDS


def counted_files(files: Sequence[KeptFile]) -> frozenset[str]:
    """The paths that reports count, too: what `fleet confirm` measured was chosen for looking slow, and of a
    GPU that was replaced another one was measured."""
    paths = [PurePosixPath(file.path) for file in files]
    is_fleet = PurePosixPath(FLEET) in paths
    gone = {place_of(path.parent) for path in paths if path.name == REPLACED and len(path.parts) > 1}
    return frozenset(
        str(path)
        for path in paths
        if not (is_fleet and path.parts[0] == CONFIRM) and place_of(path.parent) not in gone
    )


def are_sides(files: Sequence[KeptFile]) -> bool:
    """Whether these are the two sides of `ab`: compared, and never one run."""
    paths = [PurePosixPath(file.path) for file in files]
    return {path.parts[0] for path in paths if path.name == RECORDS} <= SIDES


class _Row(NamedTuple):
    """What `CaseFacts` says of a case besides its processes; `kind` and `fingerprint` may be ""."""

    case: str
    model: str
    kind: str
    fingerprint: str

    def agrees_with(self, other: _Row) -> bool:
        """Whether the other may be of the same case and machine, and says more."""
        pairs = list(zip(self, other, strict=True))
        return self != other and all(own in ("", its) for own, its in pairs)


class _Key(NamedTuple):
    """Of a process; `unit` is "" where it failed before it looked."""

    place: tuple[str, ...]
    unit: str
    case: Case
    caches: Caches
    replicate: int
    pair: int | None


class _Process(NamedTuple):
    """How a process ended."""

    file: str
    row: _Row
    is_ok: bool
    is_failed: bool
    seconds: float | None
    warnings: frozenset[str]

    def after(self, earlier: _Process | None) -> _Process:
        """Of two records of one process the later, but a failure of another attempt stands for no success."""
        stands = earlier is None or earlier.file == self.file or self.is_ok or not earlier.is_ok
        return self if stands or earlier is None else earlier


class CountedProcesses:
    """What is gathered from records, one at a time."""

    def __init__(self, *, with_times: bool = True) -> None:
        """Of no records yet; those of `ab` have no times that count."""
        self._with_times = with_times
        self._processes: dict[_Key, _Process] = {}
        self._machines: dict[str, str] = {}
        self._read_back: dict[str, dict[str, set[str]]] = {}
        self._units: dict[tuple[str, ...], set[str]] = {}

    def take(self, record: Record, file: str) -> None:
        """A record of a file, by its path in the run."""
        on_gpu = devices.traits(record.case.device).uses_gpu
        environment, place = record.environment, place_of(PurePosixPath(file).parent)
        gpu = environment.gpu if environment is not None else None
        kind = unit = ""
        if environment is not None and (gpu is not None or not on_gpu):
            kind = gpu.name if on_gpu and gpu else environment.cpu
            found = unit_of(environment, uses_gpu=on_gpu)
            unit = found.id
            self._units.setdefault(place, set()).add(unit)
            self._machines.setdefault(unit, found.machine)
        case, caches = record.case.without_replicate(), record.protocol.caches
        key = _Key(place, unit, case, caches, record.case.replicate, record.pair)
        now = _Process(
            file=file,
            row=_Row(_name(record), case.model, kind, _fingerprint(record.fingerprint)),
            is_ok=record.status == "ok",
            is_failed=record.status in FAILED,
            seconds=whole_seconds(record, on_gpu=on_gpu) if self._with_times else None,
            warnings=frozenset(each.label for each in record.warnings),
        )
        self._processes[key] = now.after(self._processes.get(key))
        if now.is_ok and kind:
            of_kind = self._read_back.setdefault(kind, {})
            for name, value in record.effective.precision.items():
                of_kind.setdefault(f"{case.precision} {name}", set()).add(value)

    def read_back(self) -> dict[str, dict[str, str]]:
        """By kind of machine, as `RecordFacts` has it."""
        return {
            kind: {name: " / ".join(sorted(values)) for name, values in sorted(of_kind.items())}
            for kind, of_kind in sorted(self._read_back.items())
        }

    def cases(self) -> Iterator[CaseFacts]:
        """In the order in which the cases began."""
        rows: dict[_Row, list[tuple[str, _Process]]] = {}
        for unit, process in self._each_once():
            rows.setdefault(process.row, []).append((unit, process))
        for row in list(rows):
            fuller = [other for other in rows if row.agrees_with(other)]
            if len(fuller) == 1:
                rows[fuller[0]] += rows.pop(row)
        for row, found in rows.items():
            processes = [process for _, process in found]
            yield CaseFacts(
                case=row.case,
                model=row.model,
                kind=row.kind,
                fingerprint=row.fingerprint,
                processes=sum(each.is_ok for each in processes),
                failed=sum(each.is_failed for each in processes),
                seconds=tuple(each.seconds for each in processes if each.seconds is not None),
                units=self._numbered([unit for unit, each in found if each.seconds is not None]),
                warnings=tuple(sorted(frozenset().union(*(each.warnings for each in processes)))),
            )

    def _numbered(self, units: Sequence[str]) -> tuple[tuple[int, int], ...]:
        """Of each the numbers of its node and of itself; nothing of a single one."""
        each = {unit: at for at, unit in enumerate(dict.fromkeys(units))}
        if len(each) < 2:
            return ()
        machines = {unit: self._machines.get(unit, unit) for unit in each}
        nodes = {machine: at for at, machine in enumerate(dict.fromkeys(machines.values()))}
        return tuple((nodes[machines[unit]], each[unit]) for unit in units)

    def _each_once(self) -> Iterator[tuple[str, _Process]]:
        """Each with its unit. Those that do not say their unit are of the only one of their place."""
        found: dict[_Key, _Process] = {}
        for key, process in self._processes.items():
            units = self._units.get(key.place, set())
            placed = key._replace(unit=min(units)) if not key.unit and len(units) == 1 else key
            found[placed] = process.after(found.get(placed))
        yield from ((key.unit, process) for key, process in found.items())


def _name(record: Record) -> str:
    return record.case.id if record.protocol.caches == "warm" else f"{record.case.id}/cold-L2"


def _fingerprint(network: NetworkFingerprint | None) -> str:
    return f"{network.structure}-{network.weights}" if network else ""
