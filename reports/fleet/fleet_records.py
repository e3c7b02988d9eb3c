"""The records of a fleet as arrays: units x tests x processes.

A unit's row holds the logs of its process medians and what was read of the machine meanwhile; records are
read one at a time and forgotten.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Raw, Struct

from bench.record_lines import each_decoded, without_lines
from bench.schema.case import Case
from bench.schema.plurals import how_many
from bench.schema.record import Environment
from bench.schema.replicate_conditions import kind_of
from bench.schema.units import Unit, unit_of
from bench.stats.fleet_arithmetic import Array
from models.errors import UserError
from reports.document import Origin
from reports.fleet.process_places import Entries, rounds_of
from reports.fleet.slim_lines import (
    COLUMNS,
    SlimLine,
    Test,
    UnitReadings,
    digested_of,
    environment_of,
    facts_of,
    log_median,
    readings_of,
    slim,
    test_of,
)
from reports.fleet.united_rows import Row, united
from reports.summary.case_order import sort_key
from reports.summary.copied_records import Copies
from reports.summary.digests import Digested
from reports.summary.record_stream import Part, parts_of
from reports.summary.sharing import uncollected


class MeasuredUnit(Struct, frozen=True, kw_only=True):
    """A row of the arrays: a unit under one set of conditions.

    uses_gpu     whether the unit is a GPU
    kind         what must be equal for two units to be compared: all that is not the unit itself
    environment  of its last record; None where that says nothing
    readings     of its last record that has some
    failed       processes that gave no time, by status
    """

    unit: Unit
    uses_gpu: bool
    kind: bytes
    environment: Environment | None
    readings: UnitReadings | None = None
    failed: dict[str, int] = {}


class FleetRecords(Struct, frozen=True, kw_only=True):
    """All that a fleet's records say of its units.

    logs   units x tests x processes: log of the median time in s, NaN where missing; the k-th process of
           every test of a unit stands at index k
    facts  of each name in COLUMNS an array alike
    digests  of the deterministic steps that processes made
    notes  about the files themselves
    damaged  how many files have lines that are no records
    """

    units: tuple[MeasuredUnit, ...]
    tests: tuple[Case, ...]
    logs: Array
    facts: dict[str, Array]
    records: int
    origin: Origin
    digests: tuple[Digested, ...] = ()
    notes: tuple[str, ...] = ()
    damaged: int = 0


@uncollected()
def read_fleet(directories: Sequence[Path]) -> FleetRecords:
    """The records of fleets and runs; a run that is named twice counts once, and so does a record.

    Raises UserError for what is missing, unreadable or foreign, and where nothing was timed.
    """
    notes: list[str] = []
    reader = _Reader()
    for part in parts_of(directories):
        reader.read(part, notes.append)
    if not reader.has_times:
        names = ", ".join(repr(str(each)) for each in directories)
        raise UserError(
            f"{names} has no timed step{reader.failures}. Give the folder of a fleet, or of runs that "
            "measured one"
        )
    return reader.found([*notes, *reader.copies.notes()])


class _Reader:
    """Fills columns, an entry for each process; of a process that is recorded twice the last time counts, and
    a failure never in the place of a time."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Unit, bytes], Row] = {}
        self._tests: dict[Case, int] = {}
        self._known_cases: dict[bytes, tuple[Test | None, int, int]] = {}
        self._known_rows: dict[tuple[bytes, bool], Row | None] = {}
        self._of_folder: dict[tuple[bool, str], Row] = {}
        self._entries: Entries = {}
        self._logs = array("d")
        self._facts = array("d")
        self._statuses: list[str] = []
        self._digests: list[Digested] = []
        self._commands: dict[str, None] = {}
        self._begun: list[str] = []
        self._ended: list[str] = []
        self._count = self._damaged = 0
        self.copies = Copies()

    def read(self, part: Part, warn: Callable[[str], None]) -> None:
        """All of a file. Raises UserError for what is no record, unless there are other files."""
        last = None
        self._of_folder.clear()
        unplaced: list[SlimLine] = []
        left_out: list[str] = []

        def taken(encoded: bytes) -> tuple[SlimLine, bool]:
            line = slim(encoded)
            return line, self.copies.is_copy(part.named, encoded) or self._take(part.named, line)

        tell = left_out.append if part.others else None
        for line, is_placed in each_decoded(part.path, taken, torn=warn, damaged=tell):
            if last is None:
                self._begun.append(line.started_at)
            last = line
            self._count += 1
            if not is_placed:
                unplaced.append(line)
        if left_out:
            warn(without_lines(left_out))
            self._damaged += 1
        unplaced = [line for line in unplaced if not self._take(part.named, line)]
        if unplaced:
            warn(
                f"{how_many(len(unplaced), 'process', 'processes')} of {part.path} failed before the GPU was "
                "looked at: no GPU of the report has them"
            )
        if last is None:
            warn(f"{part.path} has no complete record")
        else:
            self._ended.append(last.finished_at or last.started_at)

    def _take(self, run: int, line: SlimLine) -> bool:
        """Whether it is known to which unit the line belongs, if it is of one."""
        if line.command is not None:
            self._commands[line.command] = None
        test, replicate, at = self._test(line.case)
        if test is None or line.status == "skipped":
            return True
        row = self._row(line, uses_gpu=test.uses_gpu)
        if row is None:
            return False
        if bytes(line.gpu_readings) != b"null":
            row.gpu_readings = line.gpu_readings
        if (step := digested_of(line, test)) is not None:
            self._digests.append(step)
        log, clock = log_median(line, test)
        key = (run, row.at, at, replicate)
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = len(self._logs)
            self._logs.append(log)
            self._facts.extend(facts_of(line, clock))
            self._statuses.append(line.status)
        elif log == log or self._logs[entry] != self._logs[entry]:
            self._logs[entry] = log
            width = len(COLUMNS)
            self._facts[entry * width : (entry + 1) * width] = array("d", facts_of(line, clock))
            self._statuses[entry] = line.status
        return True

    def _test(self, case: Raw) -> tuple[Test | None, int, int]:
        """With the number of its process and its place among the tests."""
        text = bytes(case)
        known = self._known_cases.get(text)
        if known is None:
            test, replicate = test_of(case)
            at = -1 if test is None else self._tests.setdefault(test.case, len(self._tests))
            known = self._known_cases[text] = (test, replicate, at)
        return known

    def _row(self, line: SlimLine, *, uses_gpu: bool) -> Row | None:
        """Of a line that failed before it looked at its GPU, the GPU that its folder has on that node; None
        where the folder has none so far."""
        text = bytes(line.environment)
        if (text, uses_gpu) not in self._known_rows:
            self._known_rows[text, uses_gpu] = self._new_row(environment_of(line), uses_gpu=uses_gpu)
        row = self._known_rows[text, uses_gpu]
        if row is not None:
            self._of_folder[uses_gpu, row.unit.node] = self._of_folder[uses_gpu, ""] = row
            return row
        return self._of_folder.get((uses_gpu, unit_of(environment_of(line), uses_gpu=uses_gpu).node))

    def _new_row(self, environment: Environment | None, *, uses_gpu: bool) -> Row | None:
        """None where the environment does not say which unit it is."""
        if environment is None or (uses_gpu and environment.gpu is None):
            return None
        unit, kind = unit_of(environment, uses_gpu=uses_gpu), _kind(environment, uses_gpu=uses_gpu)
        return self.rows.setdefault((unit, kind), Row(unit, uses_gpu, kind, environment, len(self.rows)))

    @property
    def has_times(self) -> bool:
        """Whether any process was timed."""
        return any(log == log for log in self._logs)

    @property
    def failures(self) -> str:
        """`: 9 processes are oom`, or nothing where none failed."""
        counted = Counter(status for status in self._statuses if status != "ok")
        return "".join(f": {how_many(n, 'process', 'processes')} ended {how}" for how, n in counted.items())

    def _entries_of(self, place_of: Sequence[int]) -> Entries:
        """Those of units that are one put together; of doubles as `_take` has it."""
        found: Entries = {}
        for (run, row, test, number), entry in self._entries.items():
            key = run, place_of[row], test, number
            if key not in found or self._logs[entry] == self._logs[entry]:
                found[key] = entry
        return found

    def found(self, notes: Sequence[str]) -> FleetRecords:
        """All of it, tests in the order of a report."""
        rows, place_of = united(self.rows.values())
        entries = self._entries_of(place_of) if len(rows) < len(self.rows) else self._entries
        rounds = rounds_of(entries)
        shape = (len(rows), len(self._tests), 1 + max(rounds.values(), default=0))
        logs = np.full(shape, np.nan)
        facts = np.full((*shape, len(COLUMNS)), np.nan)
        failed: list[dict[str, int]] = [{} for _ in rows]
        keys = list(entries)
        numbers = np.fromiter(entries.values(), np.intp, len(keys))
        places = tuple(
            np.array(each, np.intp)
            for each in zip(
                *((row, test, rounds[run, row, number]) for run, row, test, number in keys), strict=True
            )
        )
        logs[places] = np.frombuffer(self._logs)[numbers]
        facts[places] = np.frombuffer(self._facts).reshape(-1, len(COLUMNS))[numbers]
        for (_, row, _, _), entry in entries.items():
            status = self._statuses[entry]
            if status != "ok":
                failed[row][status] = failed[row].get(status, 0) + 1
        tests = sorted(self._tests, key=sort_key)
        order = [self._tests[test] for test in tests]
        return FleetRecords(
            units=tuple(_measured(*each) for each in zip(rows, failed, strict=True)),
            tests=tuple(tests),
            logs=logs[:, order],
            facts={name: facts[..., at][:, order] for at, name in enumerate(COLUMNS)},
            records=self._count,
            origin=Origin(
                commands=tuple(self._commands),
                started_at=min(self._begun, default=None),
                finished_at=max(self._ended, default=None),
            ),
            digests=tuple(self._digests),
            notes=tuple(notes),
            damaged=self._damaged,
        )


def _measured(row: Row, failed: dict[str, int]) -> MeasuredUnit:
    line = SlimLine(case=Raw(b""), status="", started_at="", gpu_readings=row.gpu_readings)
    return MeasuredUnit(
        unit=row.unit,
        uses_gpu=row.uses_gpu,
        kind=row.kind,
        environment=row.environment,
        readings=readings_of(line),
        failed=failed,
    )


def _kind(environment: Environment, *, uses_gpu: bool) -> bytes:
    return msgspec.json.encode((uses_gpu, kind_of(environment, uses_gpu=uses_gpu)))
