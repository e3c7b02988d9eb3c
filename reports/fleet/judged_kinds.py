"""A fleet's units by kind, each kind judged for itself: a driver or a card of its own makes another kind."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from bench import devices
from bench.schema.case import Case
from bench.schema.record import Environment
from bench.stats.fleet_arithmetic import Array
from bench.stats.fleet_ratios import FleetRatios, judge
from reports.fleet.fleet_records import FleetRecords, MeasuredUnit


class JudgedKind(Struct, frozen=True, kw_only=True):
    """Units of one kind.

    rows     of these units in the arrays of `FleetRecords`, in the order of `ratios.units`
    columns  of the tests that at least one of them has, in the order of `ratios.tests`; where none was ever
             timed, of all tests of such devices
    differs  what makes it another kind than the largest one: `driver 575.51`; empty for the largest
    ratios   as `bench.stats.fleet_ratios` judges them
    against  whether the center is that of another run
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    units: tuple[MeasuredUnit, ...]
    tests: tuple[Case, ...]
    differs: str
    ratios: FleetRatios
    against: bool = False

    @property
    def environment(self) -> Environment | None:
        """That of its first unit."""
        return self.units[0].environment

    @property
    def has_references(self) -> bool:
        """Whether two units are no suspects, beside which others can be measured again."""
        return sum(each.error is not None and not each.suspect for each in self.ratios.units) > 1

    @property
    def uses_gpu(self) -> bool:
        return self.units[0].uses_gpu


def judged_kinds(
    records: FleetRecords, margin: float, against: FleetRecords | None = None
) -> tuple[JudgedKind, ...]:
    """The kinds, the largest first, those of which nothing was timed last. The center of a kind is its own,
    or that of the units of the same GPU or processor in `against`."""
    rows: dict[bytes, list[int]] = {}
    for row, unit in enumerate(records.units):
        rows.setdefault(unit.kind, []).append(row)
    timed = np.asarray(np.isfinite(records.logs).any(axis=(1, 2)))
    ordered = sorted(rows.values(), key=lambda each: (not timed[each].any(), -len(each), each))
    first = records.units[ordered[0][0]]
    return tuple(
        _judged(records, each, _differs(first, records.units[each[0]]), margin, against) for each in ordered
    )


def _judged(
    records: FleetRecords, rows: Sequence[int], differs: str, margin: float, against: FleetRecords | None
) -> JudgedKind:
    logs = records.logs[list(rows)]
    uses_gpu = records.units[rows[0]].uses_gpu
    columns = np.flatnonzero(np.isfinite(logs).any(axis=(0, 2))).tolist() or [
        at for at, test in enumerate(records.tests) if devices.traits(test.device).uses_gpu == uses_gpu
    ]
    units = tuple(records.units[row] for row in rows)
    tests = tuple(records.tests[column] for column in columns)
    nodes = {node: at for at, node in enumerate(dict.fromkeys(unit.unit.node for unit in units))}
    given = None if against is None else centers(against, units[0], tests)
    given = None if given is None or np.isnan(given.values).all() else given
    ratios = judge(
        logs[:, columns],
        [nodes[unit.unit.node] for unit in units],
        margin=margin,
        against=given.values if given else None,
        against_errors=(given.errors, given.freedom) if given else None,
    )
    return JudgedKind(
        rows=tuple(rows),
        columns=tuple(columns),
        units=units,
        tests=tests,
        differs=differs,
        ratios=ratios,
        against=given is not None,
    )


class Centers(NamedTuple):
    """Of each test the center and its standard error, NaN where no unit has it; and the fewest degrees of
    freedom of these errors."""

    values: Array
    errors: Array
    freedom: float


def centers(records: FleetRecords, like: MeasuredUnit, tests: Sequence[Case]) -> Centers:
    """The medians over units of the same GPU or processor as `like`."""
    rows = [at for at, unit in enumerate(records.units) if _hardware(unit) == _hardware(like)]
    places = {test: at for at, test in enumerate(records.tests)}
    found, errors = np.full(len(tests), np.nan), np.full(len(tests), np.nan)
    freedom = math.inf
    if rows:
        means = unit_means(records.logs[rows])
        for at, test in enumerate(tests):
            if test in places and np.isfinite(means[:, places[test]]).any():
                found[at] = np.nanmedian(means[:, places[test]])
                errors[at], own = _error(means[:, places[test]], records.logs[rows, places[test]])
                freedom = min(freedom, own)
    return Centers(found, errors, freedom)


def _error(means: Array, logs: Array) -> tuple[float, float]:
    """Of the median of the units' means, by how units differ, with its degrees of freedom. Of a single unit
    by how its processes do: how another unit of its kind would differ is not known then."""
    known = means[np.isfinite(means)]
    if len(known) > 1:
        return _OF_MEDIAN * float(known.std(ddof=1)) / math.sqrt(len(known)), len(known) - 1.0
    processes = logs[np.isfinite(logs)]
    if len(processes) < 2:
        return 0.0, math.inf
    return float(processes.std(ddof=1)) / math.sqrt(len(processes)), len(processes) - 1.0


_OF_MEDIAN = math.sqrt(math.pi / 2)
"""The standard error of a median over that of a mean, of normal values."""


def unit_means(logs: Array) -> Array:
    """units x tests: the mean over the processes, NaN where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing
        return np.asarray(np.nanmean(logs, axis=2))


def _hardware(unit: MeasuredUnit) -> tuple[str, str]:
    environment = unit.environment
    if environment is None:
        return "", ""
    gpu = environment.gpu.name if unit.uses_gpu and environment.gpu else ""
    return ("", gpu) if gpu else (environment.cpu, "")


_NAMES = {
    "cpu": "CPU",
    "cores_physical": "physical cores",
    "cores_usable": "usable cores",
    "memory_bytes": "bytes of memory",
    "os": "system",
    "python": "Python",
    "name": "GPU",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "vbios": "VBIOS",
}
"""Fields as people call them; others are what they are called."""


def _differs(first: MeasuredUnit, other: MeasuredUnit) -> str:
    """`driver 575.51 and torch 2.14`: what the conditions of the second have and those of the first lack."""
    if first.kind == other.kind:
        return ""
    one, two = (_flat(unit.kind) for unit in (first, other))
    names = [name for name in two if one.get(name) != two[name]]
    words = [f"{_NAMES.get(name, name.replace('_', ' '))} {two[name]}" for name in names]
    words += [f"no {_NAMES.get(name, name)}" for name in one if name not in two]
    return " and ".join(words[:3]) or "other conditions"


def _flat(kind: bytes) -> Mapping[str, str]:
    """The fields of conditions, those of the GPU first, without what is not known."""
    if not kind:
        return {}
    _, fields = msgspec.json.decode(kind)
    gpu = fields.pop("gpu", None) or {}
    libraries, variables = fields.pop("libraries", {}), fields.pop("variables", {})
    return {
        name: str(value)
        for name, value in {**gpu, **libraries, **fields, **variables}.items()
        if value not in (None, "", {})
    }
