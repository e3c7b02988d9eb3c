"""What a fleet's records call a unit in several ways, put together."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw, Struct, structs

from bench.schema.record import Environment
from bench.schema.units import Unit
from reports.summary.places import units_of


class Row(Struct):
    """What is known of a unit so far; `at` is its place among the rows as they were read."""

    unit: Unit
    uses_gpu: bool
    kind: bytes
    environment: Environment
    at: int
    gpu_readings: Raw = Raw(b"null")


def united(rows: Iterable[Row]) -> tuple[list[Row], list[int]]:
    """Each unit of a kind once, and the place there of each row as it was read.

    A GPU that sat in two nodes is one unit, and so is a processor whose older records have no machine id.
    """
    read = list(rows)
    units: dict[int, Unit] = {}
    for uses_gpu in (False, True):
        own = {row.at: row.environment for row in read if row.uses_gpu == uses_gpu}
        units |= units_of(own, uses_gpu=uses_gpu)
    places: dict[tuple[Unit, bytes], int] = {}
    found: list[Row] = []
    for row in read:
        at = places.setdefault((units[row.at], row.kind), len(found))
        if at == len(found):
            found.append(structs.replace(row, unit=units[row.at]))
        elif bytes(row.gpu_readings) != b"null":
            found[at].gpu_readings = row.gpu_readings
    return found, [places[units[row.at], row.kind] for row in read]
