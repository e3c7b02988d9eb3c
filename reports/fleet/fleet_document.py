"""Folders of a fleet's runs -> its report, and whether a health check passes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from bench.fleet import fleet_folder, node_states
from bench.run_folders import located, named_run
from bench.schema.fleet_plan import FLEET
from bench.stats.fleet_ratios import MARGIN, ConfirmedRatio
from bench.store import RECORDS
from bench.studies.confirm import confirm_records
from models.errors import UserError
from reports.analysis.bit_for_bit import bits_of, outliers_by_unit
from reports.cells import Scalar
from reports.document import Document, Table
from reports.fleet.fleet_answer import answer, title
from reports.fleet.fleet_found import Against, FleetFound, JudgedUnit, State, found_in
from reports.fleet.fleet_records import read_fleet
from reports.fleet.fleet_unit_tables import before_table, suspect_table, unit_table
from reports.fleet.judged_kinds import JudgedKind
from reports.fleet.node_tables import node_plots, node_tables
from reports.fleet.spread_tables import missing_table, spread_tables, versions_table
from reports.sections.digest_tables import digest_tables

FailOn = Literal["slow", "suspect", "undecided"]
_FAIL: Mapping[FailOn, tuple[State, ...]] = {
    "slow": ("slow",),
    "suspect": ("slow", "suspect"),
    "undecided": ("slow", "suspect", "undecided", "not judged"),
}
"""States that are exit code 1."""
SLOW, GAPS = 1, 3
"""Exit codes: a slow unit or one that computes other bits, and gaps."""


class FleetReport(Struct, frozen=True):
    """`code` is the exit code of a health check: 1 for a slow unit (a suspect or an undecided one, if asked)
    and for one that computes other bits than its like, 3 for gaps. What is undecided is no gap."""

    document: Document
    code: int


def build(
    directories: Sequence[Path],
    *,
    margin: float = MARGIN,
    against: Path | None = None,
    fail_on: FailOn = "slow",
) -> FleetReport:
    """The report of a fleet's folder, or of run folders that nobody scheduled.

    Raises UserError as `read_fleet` does.
    """
    root = located(directories[0])
    fleet = root if len(directories) == 1 and (root / FLEET).is_file() else None
    if fleet is not None and not any(map(_has_records, named_run(fleet).run_folders)):
        raise UserError(f"no node of {fleet} has records yet. `convbench fleet status {fleet}` says why")
    records = read_fleet(directories)
    found = found_in(
        directories,
        records,
        margin=margin,
        confirmed=lambda kind: _confirmed(fleet, kind),
        plan=None if fleet is None else fleet_folder.read(fleet),
        states=() if fleet is None else node_states.states_of(fleet),
        against=None if against is None else Against(str(against), read_fleet([against])),
    )
    return FleetReport(document(found), exit_code(found, fail_on))


def _has_records(run: Path) -> bool:
    """Not so of a run that measures its first case now."""
    records = run / RECORDS
    return records.is_file() and records.stat().st_size > 0


def _confirmed(fleet: Path | None, kind: JudgedKind) -> Sequence[ConfirmedRatio]:
    """What `fleet confirm` measured of a kind."""
    if fleet is None:
        return ()
    units = [unit.unit for unit in kind.units]
    return confirm_records.confirmed(fleet, units, kind.tests, kind.ratios)


def document(found: FleetFound) -> Document:
    """The first screen, tables by question, and a flat row for each unit."""
    return Document(
        title=title(found),
        answer=answer(found),
        text=tuple(_method(found)),
        tables=tuple(_tables(found)),
        plots=tuple(node_plots(found)),
        rows=tuple(rows(found)),
        origin=found.records.origin,
    )


def _tables(found: FleetFound) -> Iterator[Table]:
    yield from node_tables(found)
    yield from suspect_table(found)
    yield from before_table(found)
    yield from digest_tables(found.bits)
    yield from missing_table(found)
    yield unit_table(found)
    yield from spread_tables(found)
    yield versions_table(found)


def _method(found: FleetFound) -> Iterator[str]:
    yield (
        f"The figure of a {found.what} is the mean over the tests of the log of its time over the center of "
        f"all {found.what}s of its kind. A suspect is more than {100 * found.margin:g}% slower than the "
        "center by the first run, at 5% over all units of a kind (Holm). Slow is a suspect of which data of "
        "fleet confirm alone show it again, at 1%."
    )
    yield from found.records.notes


def rows(found: FleetFound) -> Iterator[dict[str, Scalar]]:
    """One for each unit, then one for each node of which there is none."""
    for unit in found.units:
        yield _row(found, unit)
    for state in found.unseen:
        reason = f"{state.state}: {state.reason}" if state.reason else state.state
        yield {"uuid": "", "node": state.node, "state": "missing", "cause": reason}


def _row(found: FleetFound, unit: JudgedUnit) -> dict[str, Scalar]:
    judged, readings = unit.judged, unit.measured.readings
    gpu = unit.measured.environment.gpu if unit.measured.environment else None
    return {
        "uuid": unit.measured.unit.id,
        "node": unit.measured.unit.node,
        "ratio": _exp(judged.log_ratio),
        "low": _exp(judged.low),
        "high": _exp(judged.high),
        "state": unit.state,
        "cause": ", ".join(cause.words for cause in unit.causes) if unit.state in ("slow", "suspect") else "",
        "gpu": readings.index if readings else None,
        "name": gpu.name if gpu and found.kinds[unit.kind].uses_gpu else None,
        "kind": unit.kind + 1,
        "tests": unit.ratio.tests,
        "lacks": unit.lacks,
        "processes": unit.ratio.processes,
        "p": unit.ratio.adjusted_p,
        "bits": bits_of(found.bits, unit.measured.unit),
    }


def _exp(log: float | None) -> float | None:
    return None if log is None else math.exp(log)


def exit_code(found: FleetFound, fail_on: FailOn) -> int:
    """1, 3 or 0."""
    if outliers_by_unit(found.bits) or any(unit.state in _FAIL[fail_on] for unit in found.units):
        return SLOW
    lacks = any(unit.lacks or unit.state == "missing" for unit in found.units)
    damaged = found.records.damaged and not found.states  # a fleet knows whether it was measured again
    return GAPS if found.incomplete or found.unseen or lacks or damaged else 0
