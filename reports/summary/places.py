"""Where processes ran: the unit of each, the kind of its machine, and the run that counts it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct, structs

from bench.schema.record import Environment
from bench.schema.replicate_conditions import kind_of, settings_of
from bench.schema.units import UNKNOWN, Unit, unit_of
from reports.summary.process import Process
from reports.summary.record_stream import Part

K = TypeVar("K", bound=Hashable)


class Place(Struct, frozen=True, gc=False):
    """What an environment says of its processes.

    kind    what figures of several units must have in common to be one; empty where nothing is known
    unit    that measured
    known   whether the environment names the unit; the process may have failed before it looked
    """

    kind: bytes
    unit: Unit
    known: bool


NOWHERE = Place(b"", UNKNOWN, known=False)


class Places:
    """Of the processes of some runs on devices of one sort: on GPUs, or on processors."""

    def __init__(self, processes: Iterable[Process], parts: Sequence[Part], *, uses_gpu: bool) -> None:
        found = list(processes)
        self._places = places_of([process.environment for process in found], uses_gpu=uses_gpu)
        self._named = {part.run: part.named for part in parts}
        of_node: defaultdict[tuple[int, str], set[Unit]] = defaultdict(set)
        for process in found:
            place = self._places[process.environment]
            if place.known:
                of_node[process.run, place.unit.node].add(place.unit)
                of_node[process.run, UNKNOWN.node].add(place.unit)
        self._only = {at: next(iter(units)) for at, units in of_node.items() if len(units) == 1}

    def run(self, process: Process) -> int:
        """The index of the run that it counts for: attempts of a fleet are one."""
        return self._named[process.run]

    def unit(self, process: Process) -> Unit:
        """That measured; of a process that does not say, the only one of its run folder, or, in a merged
        folder, of its node."""
        place = self._places[process.environment]
        if place.known:
            return place.unit
        of_run = self._only.get((process.run, UNKNOWN.node), place.unit)
        return self._only.get((process.run, place.unit.node), of_run)

    def kind(self, process: Process) -> bytes:
        """Equal for processes whose figures may be pooled, on one unit or on several."""
        return self._places[process.environment].kind


def places_of(encoded: Iterable[bytes], *, uses_gpu: bool) -> dict[bytes, Place]:
    """The place that each encoded environment stands for.

    Where one unit of a kind was measured under several settings (a power limit, ECC), these were what was
    tried, and they make kinds of their own. Else they are what one machine differs in from the others.
    """
    decoded = {raw: _decoded(raw) for raw in dict.fromkeys(encoded)}
    known = {raw: environment for raw, environment in decoded.items() if environment is not None}
    kinds = {raw: _encoded(kind_of(environment, uses_gpu=uses_gpu)) for raw, environment in known.items()}
    settings = {raw: settings_of(environment, uses_gpu=uses_gpu) for raw, environment in known.items()}
    units = units_of(known, uses_gpu=uses_gpu)
    tried: defaultdict[tuple[bytes, str], set[tuple[object, ...]]] = defaultdict(set)
    for raw, kind in kinds.items():
        tried[kind, units[raw].id].add(settings[raw])
    split = {kind for (kind, _), seen in tried.items() if len(seen) > 1}
    places = {
        raw: Place(
            kinds[raw] + (_encoded(settings[raw]) if kinds[raw] in split else b""),
            units[raw],
            known=environment.gpu is not None or not uses_gpu,
        )
        for raw, environment in known.items()
    }
    return {raw: places.get(raw, NOWHERE) for raw in decoded}


def units_of(environments: Mapping[K, Environment], *, uses_gpu: bool) -> dict[K, Unit]:
    """The unit of each. Records from before machines had an id are of the machine of their name that has one;
    a GPU is in the node that it was first seen in."""
    of_name: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for each in environments.values():
        if each.machine_id is not None:
            of_name[each.node or each.host, each.cpu].add(each.machine_id)
    first: dict[str, Unit] = {}
    units: dict[K, Unit] = {}
    for raw, each in environments.items():
        ids = of_name.get((each.node or each.host, each.cpu), set())
        whole = structs.replace(each, machine_id=min(ids)) if not each.machine_id and len(ids) == 1 else each
        unit = unit_of(whole, uses_gpu=uses_gpu)
        units[raw] = first.setdefault(unit.id, unit)
    return units


def _decoded(encoded: bytes) -> Environment | None:
    return msgspec.json.decode(encoded, type=Environment | None)


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
