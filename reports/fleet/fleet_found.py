"""What a fleet's report knows: each unit with its state and likely causes, the kinds, and what is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct

from bench.schema.fleet_plan import FleetPlan, NodeState
from bench.stats.fleet_ratios import ConfirmedRatio, UnitRatio
from reports.analysis.bit_for_bit import ComparedStep, compare
from reports.fleet.causes import Cause, KindFacts
from reports.fleet.fleet_records import FleetRecords, MeasuredUnit
from reports.fleet.judged_kinds import JudgedKind, judged_kinds

State = Literal["ok", "undecided", "suspect", "slow", "missing", "not judged"]
"""Of a unit. ok: not shown to be slower than the margin. undecided: neither shown, as its interval is wider
than the margin on both sides and reaches beyond it. suspect: the first run shows that it is slower, nothing
else yet. slow: `fleet confirm` shows it too. missing: there is no figure. not judged: nothing tells how sure
its figure is."""


class JudgedUnit(Struct, frozen=True, kw_only=True):
    """A unit of a fleet.

    name       `node5 GPU 3 (GPU-3f0c12ab)`
    kind       the number of its kind, and `at` its place there
    ratio      to the center of its kind, by the first run
    confirmed  what `fleet confirm` found, where it measured the unit
    lacks      tests that other units of its kind have
    causes     facts in which it differs from its kind, likely causes of a slow unit
    """

    name: str
    measured: MeasuredUnit
    kind: int
    at: int
    ratio: UnitRatio
    confirmed: ConfirmedRatio | None
    state: State
    lacks: int
    causes: tuple[Cause, ...]

    @property
    def judged(self) -> UnitRatio | ConfirmedRatio:
        """Where it was confirmed, that alone: it was not picked for looking slow."""
        return self.confirmed if self.state == "slow" and self.confirmed is not None else self.ratio


class Against(Struct, frozen=True):
    """Records that the center is taken from; `name` as they were given."""

    name: str
    records: FleetRecords


class FleetFound(Struct, frozen=True, kw_only=True):
    """`plan` and `states` are those of a fleet's folder; runs that nobody scheduled have none. `bits` are
    what units of a kind gave in the same deterministic steps."""

    directories: tuple[Path, ...]
    records: FleetRecords
    kinds: tuple[JudgedKind, ...]
    units: tuple[JudgedUnit, ...]
    margin: float
    plan: FleetPlan | None = None
    states: tuple[NodeState, ...] = ()
    against: Against | None = None
    bits: tuple[ComparedStep, ...] = ()

    def of_state(self, state: State) -> list[JudgedUnit]:
        """The slowest first."""
        found = [unit for unit in self.units if unit.state == state]
        return sorted(found, key=lambda unit: -(unit.judged.log_ratio or 0.0))

    @property
    def incomplete(self) -> list[NodeState]:
        """Nodes of which something is missing, be it that their job still runs."""
        return [state for state in self.states if state.state != "complete"]

    @property
    def unseen(self) -> list[NodeState]:
        """Nodes of which there is no unit, be it that all their processes failed before one was looked at."""
        seen = {unit.measured.unit.node for unit in self.units}
        return [state for state in self.states if state.node not in seen]

    @property
    def what(self) -> str:
        """What most units are: `GPU` or `CPU`."""
        return "GPU" if self.kinds[0].uses_gpu else "CPU"


# long: its parameters are what a report is made of.
def found_in(
    directories: Sequence[Path],
    records: FleetRecords,
    *,
    margin: float,
    confirmed: Callable[[JudgedKind], Sequence[ConfirmedRatio]] = lambda kind: (),
    plan: FleetPlan | None = None,
    states: Sequence[NodeState] = (),
    against: Against | None = None,
) -> FleetFound:
    """All of it; `confirmed` says what was measured again of a kind."""
    kinds = judged_kinds(records, margin, against.records if against else None)
    units = [
        unit
        for number, kind in enumerate(kinds)
        for unit in _units(records, kind, number, margin, confirmed(kind))
    ]
    units.sort(key=lambda unit: (natural(unit.measured.unit.node), natural(unit.name), unit.kind))
    return FleetFound(
        directories=tuple(directories),
        records=records,
        kinds=kinds,
        units=tuple(units),
        margin=margin,
        plan=plan,
        states=tuple(states),
        against=against,
        bits=compare(records.digests),
    )


def _units(
    records: FleetRecords,
    kind: JudgedKind,
    number: int,
    margin: float,
    confirmed: Sequence[ConfirmedRatio],
) -> Iterator[JudgedUnit]:
    facts = KindFacts(records, kind)
    rounds = {each.unit: each for each in confirmed if each.log_ratio is not None}
    tests = np.isfinite(records.logs[list(kind.rows)]).any(axis=2).sum(axis=1)
    for at, (unit, ratio) in enumerate(zip(kind.units, kind.ratios.units, strict=True)):
        again = rounds.get(at)
        yield JudgedUnit(
            name=unit_name(unit),
            measured=unit,
            kind=number,
            at=at,
            ratio=ratio,
            confirmed=again,
            state=_state(ratio, again, margin, int(tests[at])),
            lacks=len(kind.tests) - int(tests[at]),
            causes=facts.causes(at),
        )


def _state(ratio: UnitRatio, confirmed: ConfirmedRatio | None, margin: float, tests: int) -> State:
    """A suspect of which a second look shows that it is within the margin is none; one whose references
    contradict each other stays one, as it may be the slower reference that has changed."""
    if not tests:
        return "missing"
    if ratio.why is not None:
        return "not judged"
    if confirmed is not None and confirmed.slow:
        return "slow"
    if confirmed is not None and is_within(confirmed, margin):
        return "ok"
    if ratio.suspect:
        return "suspect"
    return "undecided" if _is_undecided(ratio, margin) else "ok"


def _is_undecided(ratio: UnitRatio, margin: float) -> bool:
    """A unit that may be far slower than the margin was not found healthy."""
    if ratio.low is None or ratio.high is None:
        return False
    most = math.log1p(margin)
    return ratio.high > most and ratio.high - ratio.low > 2 * most


def is_within(confirmed: ConfirmedRatio, margin: float) -> bool:
    """Whether a second look shows that a suspect is within the margin."""
    if confirmed.high is None or confirmed.references_differ:
        return False
    return confirmed.high < math.log1p(margin)


def unit_name(measured: MeasuredUnit) -> str:
    """`node5 GPU 3 (GPU-3f0c12ab)`; of a processor its node."""
    unit, readings = measured.unit, measured.readings
    if not measured.uses_gpu:
        return unit.node or "a machine without a name"
    if readings is not None and readings.index is not None:
        return f"{unit.node} GPU {readings.index} ({unit.name})"
    return f"{unit.node} {unit.name}"


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """node2 comes before node10."""
    parts = re.split(r"(\d+)", name)
    return tuple((int(part) if part.isdecimal() else 0, part) for part in parts)


def listed(names: Iterable[str], most: int = 3) -> str:
    """`node1, node2 and 5 more`"""
    found = list(names)
    if len(found) <= most + 1:
        return ", ".join(found[:-1]) + (" and " if len(found) > 1 else "") + found[-1] if found else ""
    return f"{', '.join(found[:most])} and {len(found) - most:,} more"
