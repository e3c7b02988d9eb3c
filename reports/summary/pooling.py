"""Records -> what they say: one row for each figure, the machines, what failed and what to beware of.

Streams: of each process medians stay in memory, and no more than 21 of its samples of each clock; of a
training run its curves do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, structs

from bench.schema.case import TIMED, Caches, Case
from bench.schema.case_warnings import CaseWarning, Label
from bench.schema.record import Status
from bench.stats.estimates import Interval, across_processes, centre, mean, mean_interval
from bench.stats.levels import levels
from models.errors import UserError
from reports.summary.caches import of_metric
from reports.summary.case_processes import Processes, by_case
from reports.summary.columns import Column, columns_of
from reports.summary.digests import Digested, digested
from reports.summary.environments import Labels, environments_of, kind_of_hardware
from reports.summary.figures import (
    RAW_UNITS,
    Absence,
    Curve,
    FailedProcesses,
    Figure,
    ReadBack,
    Spread,
    Summary,
    WarningCount,
)
from reports.summary.measured_networks import Networks
from reports.summary.moderated_figures import moderated, restless, scatter_of
from reports.summary.places import Places
from reports.summary.process import Process
from reports.summary.reading import Reader, read_processes
from reports.summary.record_stream import parts_of
from reports.summary.seeds import by_seed
from reports.summary.sharing import uncollected

FEW = 5
OF_FEW = f"with fewer than {FEW} processes, two kinds of processes may not both have been seen"
PROCESSES_SPREAD = 12
"""Of how many processes of a case samples are kept: lines in a picture that can be told apart."""


# long: it is where all that is read meets.
@uncollected()
def summarise(directories: Sequence[Path], plain_intervals: bool = False) -> Summary:
    """Read and pool the runs in `directories`, where nothing is a summary of nothing; with `plain_intervals`
    no case lends to another.

    Raises UserError as `read_records` does, and for times with warm caches beside times with a cold L2.
    """
    notes: list[str] = []
    parts = parts_of(directories)
    reader = Reader(parts)
    ordered, places = by_case(read_processes(parts, reader, notes.append), parts, notes.append)
    if directories and not ordered:
        raise UserError(f"{directories[0]} has no run folder with a complete record")
    environments, label_of = environments_of(each.environment for _, of in ordered for each in of.values())
    networks = _networks(ordered)
    groups = [
        group
        for case, processes in ordered
        for group in _groups(case, processes.values(), label_of, networks, places(case))
    ]
    figures = [figure for group in groups for figure in _figures(group, reader.kind.caches)]
    warned: list[WarningCount] = []
    if not plain_intervals:
        lent = moderated(figures, lambda each: kind_of_hardware(each.machine, each.case.device, environments))
        figures, warned = restless(lent)
    return Summary(
        figures=tuple(figures),
        curves=tuple(curve for group in groups for curve in _curves(group)),
        spreads=tuple(spread for group in groups for spread in _spreads(group)),
        environments=environments,
        outcomes=tuple(
            outcome for case, processes in ordered for outcome in _outcomes(case, processes.values())
        ),
        absences=tuple(absence for group in groups for absence in _absences(group)),
        warnings=(*_warnings(ordered), *warned),
        notes=(*networks.notes(), *notes, *reader.damaged),
        damaged=tuple(reader.damaged),
        records=sum(len(processes) for _, processes in ordered),
        caches=reader.kind.caches,
        networks=networks.measured,
        digests=tuple(_digests(ordered)),
        seconds=_seconds(ordered),
        spent=reader.spent.seconds,
        origin=reader.origin.origin(),
    )


def _seconds(cases: Iterable[tuple[Case, Processes]]) -> dict[Case, float]:
    """The mean over the processes that ended well and whose time was kept."""
    taken = {
        case: [p.seconds for p in processes.values() if p.status == "ok" and p.seconds is not None]
        for case, processes in cases
    }
    return {case: mean(seconds) for case, seconds in taken.items() if seconds}


def _digests(cases: Iterable[tuple[Case, Processes]]) -> Iterator[Digested]:
    for case, processes in cases:
        for each in processes.values():
            if each.digest is not None:
                found = digested(case, each.environment, each.network, each.digest)
                yield from () if found is None else (found,)


def _networks(cases: Iterable[tuple[Case, Processes]]) -> Networks:
    """Those of the processes that ended well."""
    return Networks(
        (case, [process.network for process in processes.values() if process.status == "ok"])
        for case, processes in cases
    )


class _Group(Struct, frozen=True, kw_only=True, gc=False):
    """Processes that are replicates of each other, at least one."""

    case: Case
    effective: ReadBack
    machine: tuple[str, ...]
    network: str
    processes: Sequence[Process]
    places: Places


def _groups(
    case: Case, processes: Iterable[Process], label_of: Labels, networks: Networks, places: Places
) -> Iterator[_Group]:
    """Two kinds of machine are never pooled, nor is what was measured of two networks under one name."""
    alike: dict[tuple[ReadBack, bytes, str], list[Process]] = {}
    for process in processes:
        if process.status == "ok":
            network = networks.label(case, process.network)
            key = (process.effective, places.kind(process), network)
            alike.setdefault(key, []).append(process)
    for (effective, _, network), group in alike.items():
        machine = tuple(sorted({label for p in group for label in label_of.get(p.environment, ())}))
        yield _Group(
            case=case,
            effective=effective,
            machine=machine,
            network=network,
            processes=group,
            places=places,
        )


def _figures(group: _Group, caches: Caches | None) -> Iterator[Figure]:
    """One figure for each metric; `caches` are those of all timed steps."""
    tags = tuple(dict.fromkeys(warning.label for process in group.processes for warning in process.warnings))
    for (phase, metric, unit, layer, product), column in columns_of(group.processes, group.places).items():
        medians, origins = column.medians, column.origins
        value, interval = _value(group.case, unit, column)
        yield Figure(
            case=group.case,
            effective=group.effective,
            machine=group.machine,
            network=group.network,
            phase=phase,
            metric=metric,
            unit=unit,
            layer=layer,
            product=product,
            median=value,
            interval=interval,
            medians=medians,
            replicates=origins.replicates,
            units=origins.units,
            runs=origins.runs,
            pairs=origins.pairs,
            clocks=origins.clocks(metric) if layer is None and product is None else (),
            samples=sum(column.sizes),
            tags=tags,
            scatter=scatter_of(metric, column),
            caches=of_metric(caches, metric) if group.case.workload in TIMED else None,
        )


def _value(case: Case, unit: str, column: Column) -> tuple[float, Interval | None]:
    """The figure, and its interval as it is without other cases."""
    medians, origins = column.medians, column.origins
    if unit in RAW_UNITS:
        values = list(by_seed(case, origins.replicates, medians).values())
        return mean(values), mean_interval(values)
    if origins.machines is not None:
        found = levels(medians, origins.units, origins.machines)
        assert found is not None
        return found.value, found.interval()
    return centre(medians), across_processes(medians) if len(medians) > 1 else column.interval


def _curves(group: _Group) -> Iterator[Curve]:
    """The epochs of all processes, for each metric that has them."""
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for process in group.processes:
        for metric, unit, samples in process.curves:
            found.setdefault((metric, unit), []).append(tuple(samples))
    for (metric, unit), curves in found.items():
        yield Curve(
            case=group.case,
            effective=group.effective,
            machine=group.machine,
            network=group.network,
            metric=metric,
            unit=unit,
            samples=tuple(curves),
        )


def _spreads(group: _Group) -> Iterator[Spread]:
    """The samples of the first few processes, for each clock that they have."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for process in group.processes[:PROCESSES_SPREAD]:
        for metric, samples in process.spreads:
            found.setdefault(metric, []).append(tuple(samples))
    for metric, spreads in found.items():
        yield Spread(
            case=group.case,
            effective=group.effective,
            machine=group.machine,
            network=group.network,
            metric=metric,
            samples=tuple(spreads),
        )


def _outcomes(case: Case, processes: Iterable[Process]) -> Iterator[FailedProcesses]:
    alike: dict[tuple[Status, str], list[int]] = {}
    for process in processes:
        if process.status != "ok":
            alike.setdefault((process.status, process.reason), []).append(process.replicate)
    for (status, reason), replicates in alike.items():
        yield FailedProcesses(case=case, status=status, reason=reason, replicates=tuple(replicates))


def _absences(group: _Group) -> Iterator[Absence]:
    counted = Counter(absent for process in group.processes for absent in process.absent)
    for (metric, reason), processes in counted.items():
        yield Absence(case=group.case, metric=metric, reason=reason, processes=processes)


def _warnings(cases: Iterable[tuple[Case, Processes]]) -> tuple[WarningCount, ...]:
    examples: dict[Label, CaseWarning] = {}
    carriers: dict[Label, Counter[Case]] = {}
    few: set[Case] = set()
    for case, processes in cases:
        if sum(process.status == "ok" for process in processes.values()) < FEW:
            few.add(case)
        for process in processes.values():
            own: dict[Label, CaseWarning] = {}
            for warning in process.warnings:  # a window of each clock and that of energy may have the same
                own.setdefault(warning.label, warning)
            for label, warning in own.items():
                examples.setdefault(label, warning)
                carriers.setdefault(label, Counter())[case] += 1
    if not few.isdisjoint(carriers.get("bimodal", ())):
        example = examples["bimodal"]
        examples["bimodal"] = structs.replace(example, detail=f"{example.detail}; {OF_FEW}")
    return tuple(
        WarningCount(label=label, example=examples[label], cases=tuple(found), processes=found.total())
        for label, found in carriers.items()
    )
