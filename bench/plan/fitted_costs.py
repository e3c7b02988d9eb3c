"""The costs of a device from the records of a run on it: what to write into the device's file."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable

from msgspec import structs

from bench import devices, engines
from bench.contracts.costs import Costs
from bench.plan.estimate import case_seconds, cores_of
from bench.plan.step_seconds import layers_of, step_seconds
from bench.schema.case import ARITHMETIC, Precision
from bench.schema.phases import whole
from bench.schema.record import Record, find

_FREED = 1.25
"""A step counts for the rate of an arithmetic if one twice as fast would make it shorter by this factor."""
_ROUNDS = 10
"""A rate moves which layers it holds: the fit is repeated until that settles."""
_LEAST_PROCESS_SECONDS = 0.05


def costs_from(records: Iterable[Record], costs: Costs) -> Costs:
    """The costs with what records of one device say in the place of their figures.

    What no record says stays: the rate of an arithmetic without a step that it holds, compiling without a
    compiled case, memory's bandwidth. Of a host the rates are those of the cores of this machine.
    """
    ended = [record for record in records if record.status == "ok" and record.seconds is not None]
    known = [record for record in ended if record.case.task is None]
    timed = [record for record in known if record.case.workload != "ceiling"]
    ceilings = [record.seconds or 0.0 for record in known if record.case.workload == "ceiling"]
    if not timed:
        return costs
    costs = structs.replace(
        costs,
        source=f"{len(known)} records of {_machine(known[0])}",
        noise=_median(map(_noise, timed), costs.noise),
        compile_seconds=_by_layer("compile_cold", timed, costs.compile_seconds),
        recompile_seconds=_by_layer("compile_warm", timed, costs.recompile_seconds),
        ceiling_seconds=_median(ceilings, costs.ceiling_seconds),
    )
    for _ in range(_ROUNDS):
        costs = structs.replace(costs, flops_per_second=_rates(timed, costs))
    free = structs.replace(costs, process_seconds=0.0)
    rests = [(record.seconds or 0.0) - _expected(record, free) for record in timed]
    eager = [rest for rest, record in zip(rests, timed, strict=True) if not _compiles(record)]
    process = max(_LEAST_PROCESS_SECONDS, _median(eager, costs.process_seconds))
    return structs.replace(costs, process_seconds=process)


def _expected(record: Record, costs: Costs) -> float:
    return case_seconds(record.case, record.protocol, costs, facts=record.facts)


def _machine(record: Record) -> str:
    found = record.environment
    if found is None:
        return "an unknown machine"
    return found.gpu.name if found.gpu else f"{record.case.threads} threads of {found.cpu}"


def _median(values: Iterable[float | None], otherwise: float) -> float:
    found = [value for value in values if value is not None]
    return statistics.median(found) if found else otherwise


def _compiles(record: Record) -> bool:
    return engines.get(record.case.engine).compiles


def _samples(record: Record) -> list[float]:
    """Of the whole step by the best clock that there is; empty where it was not timed."""
    for clock in devices.traits(record.case.device).clocks:
        measured = find(record.measurements, whole(record.case), clock)
        if measured is not None:
            return measured.samples
    return []


def _noise(record: Record) -> float | None:
    samples = _samples(record)
    return statistics.stdev(samples) / statistics.median(samples) if len(samples) > 1 else None


def _by_layer(metric: str, timed: Collection[Record], otherwise: float) -> float:
    """Seconds of compiling for each layer and direction."""

    def seconds(record: Record) -> float | None:
        case, measured = record.case, find(record.measurements, "model", metric)
        layers = len(layers_of(case.model, case.channels, case.image, case.classes))
        directions = 2 if case.workload == "training" else 1
        return measured.samples[0] / (layers * directions) if measured else None

    return _median(map(seconds, timed), otherwise)


def _rates(timed: Collection[Record], costs: Costs) -> dict[Precision, float]:
    """Each arithmetic's rate, such that the middle one of the steps that it holds takes what it took."""
    rates = costs.flops_per_second.items()
    return {arithmetic: _rate(arithmetic, rate, timed, costs) for arithmetic, rate in rates}


def _step(record: Record, costs: Costs) -> float:
    return step_seconds(record.case, costs, cores_of(record.case, costs))


def _rate(arithmetic: Precision, rate: float, timed: Collection[Record], costs: Costs) -> float:
    faster = structs.replace(costs, flops_per_second={**costs.flops_per_second, arithmetic: 2 * rate})
    ratios = [
        _step(record, costs) / statistics.median(samples)
        for record in timed
        if ARITHMETIC[record.case.precision] == arithmetic
        and not _compiles(record)
        and (samples := _samples(record))
        and _step(record, costs) > _FREED * _step(record, faster)
    ]
    return rate * _median(ratios, 1.0)
