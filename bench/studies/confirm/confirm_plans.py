"""Which suspects are measured again, beside whom and how often; kept before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.record_lines import refusals
from bench.schema.confirm_plan import CONFIRM_SCHEMA, ConfirmPlan, Look
from bench.schema.fleet_plan import CONFIRM
from bench.schema.units import Unit
from bench.stats.confirmed_ratios import references_of, rounds_needed
from bench.stats.fleet_ratios import FleetRatios
from bench.store import read_json, write_json

PLAN = "confirm.json"


class JudgedUnits(Struct, frozen=True):
    """Units of one kind, in the order of the units of `ratios`."""

    units: tuple[Unit, ...]
    ratios: FleetRatios

    @property
    def suspects(self) -> tuple[Unit, ...]:
        """Slowest first."""
        return tuple(self.units[index] for index in self.ratios.suspects)


def read(folder: Path) -> ConfirmPlan | None:
    """Of a fleet's folder; None where nothing was to be confirmed. UserError for one that is damaged or of a
    newer convbench."""
    return read_json(folder / CONFIRM / PLAN, ConfirmPlan, CONFIRM_SCHEMA)


def write(folder: Path, plan: ConfirmPlan) -> None:
    """On the disk when this returns. UserError where that is refused."""
    with refusals(folder):
        (folder / CONFIRM).mkdir(exist_ok=True)
    write_json(folder / CONFIRM / PLAN, plan)


def extended(plan: ConfirmPlan, kinds: Sequence[JudgedUnits], rounds: int | None = None) -> ConfirmPlan:
    """With looks at the suspects that have none yet, in rounds of their own; `rounds` in the place of the
    number that is needed. UserError where a kind has no two references."""
    known = {look.suspect for look in plan.looks}
    last = max((look.last_round for look in plan.looks), default=0)
    looks: list[Look] = []
    for kind in kinds:
        pairs = [
            (index, references_of(kind.ratios, index, plan.seed))
            for index in kind.ratios.suspects
            if kind.units[index] not in known
        ]
        if pairs:
            number = rounds or rounds_needed(kind.ratios, pairs)
            looks += [_look(kind.units, pair, last, number) for pair in pairs]
    return msgspec.structs.replace(plan, looks=(*plan.looks, *looks))


def _look(units: Sequence[Unit], pair: tuple[int, tuple[int, int]], last: int, rounds: int) -> Look:
    suspect, (one, other) = pair
    return Look(
        suspect=units[suspect],
        references=(units[one], units[other]),
        first_round=last + 1,
        last_round=last + rounds,
    )
