"""What `fleet confirm` measured, judged: the only evidence by which a unit of a fleet is called slow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import devices
from bench.record_lines import read_records
from bench.run_folders import named_run
from bench.schema.case import Case
from bench.schema.confirm_plan import Look
from bench.schema.fleet_plan import CONFIRM
from bench.schema.record import Record
from bench.schema.units import Unit, unit_of
from bench.stats.confirmed_ratios import Remeasured, confirm
from bench.stats.fleet_ratios import Array, ConfirmedRatio, FleetRatios
from bench.stats.whole_times import whole_seconds
from bench.store import RECORDS
from bench.studies.confirm import confirm_plans


def round_folder(folder: Path, unit: Unit, number: int) -> Path:
    """Of one unit in one round: a fleet of one node, which is measured once."""
    name = unit.name if unit.is_gpu else devices.host().name
    return folder / CONFIRM / unit.node / name / str(number)


def confirmed(
    folder: Path, units: Sequence[Unit], tests: Sequence[Case], ratios: FleetRatios
) -> tuple[ConfirmedRatio, ...]:
    """The suspects of one kind that were measured again; those of which there is no round yet included.

    folder  of the fleet
    units   in the order of `ratios.units`; tests: without replicate, in the order of `ratios.tests`

    UserError for a plan or for records that are damaged.
    """
    plan = confirm_plans.read(folder)
    index = {unit: at for at, unit in enumerate(units)}
    looks = [look for look in (plan.looks if plan else ()) if all(unit in index for unit in look.units)]
    again = [
        Remeasured(
            index[look.suspect],
            (index[look.references[0]], index[look.references[1]]),
            np.stack([_log_medians(folder, unit, look, tests) for unit in look.units]),
        )
        for look in looks
    ]
    return confirm(ratios, again) if again else ()


def is_complete(folder: Path, unit: Unit, number: int, tests: Sequence[Case]) -> bool:
    """Whether each test has a time of this unit in this round."""
    return bool(np.isfinite(_round(folder, unit, number, tests)).all())


def _log_medians(folder: Path, unit: Unit, look: Look, tests: Sequence[Case]) -> Array:
    """tests x rounds"""
    return np.stack([_round(folder, unit, number, tests) for number in look.rounds], axis=1)


def _round(folder: Path, unit: Unit, number: int, tests: Sequence[Case]) -> Array:
    """Of each test the log of the median time, in s; NaN where there is none. What another unit measured in
    the unit's place does not count, nor does a line that is no record: it is measured again."""
    found = np.full(len(tests), np.nan)
    place = {test: at for at, test in enumerate(tests)}
    own = round_folder(folder, unit, number)
    for run in named_run(own).run_folders if own.is_dir() else ():
        if not (run / RECORDS).exists():
            continue
        for record in read_records(run / RECORDS, damaged=lambda sentence: None):
            at = place.get(record.case.without_replicate())
            if at is not None and _is_of(record, unit):
                seconds = whole_time(record)
                found[at] = found[at] if seconds is None else math.log(seconds)
    return found


def _is_of(record: Record, unit: Unit) -> bool:
    return unit_of(record.environment, uses_gpu=devices.traits(record.case.device).uses_gpu) == unit


def whole_time(record: Record) -> float | None:
    """The median time of a whole step, in s, by the clock of its device; None without any."""
    return whole_seconds(record, on_gpu=devices.traits(record.case.device).uses_gpu)
