"""Several machines: how they and their processes scatter, and the figure of each GPU or processor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.schema.plurals import how_many
from reports.analysis.machine_spread import MachineSpread, UnitTime
from reports.cells import Cell, Quantity
from reports.document import Table, TableKey
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.wording import interval_notes, measured, with_interval

SPREAD_TITLE, UNITS_TITLE = "Spread over machines", "Machine by machine"
SPREAD_NOTE = (
    "over machines, GPUs, processes: standard deviations of the machines' means, of the means of the GPUs of "
    "one machine, and of the processes of one GPU or processor. Each holds what scatters below it."
)
UNITS_NOTE = (
    "time: by the unit's own processes, with their interval. to mean: against the figure of all machines."
)
SLOWEST_SHOWN, FASTEST_SHOWN = 24, 8
"""Units of a case, where there are more than both together."""
SEVERAL_IN_WORDS = (
    "Figures of several machines of one kind are means over the machines, of each the mean over its GPUs, of "
    "each the mean over its processes. ± is then the 95% interval of what another such machine would show, "
    "and the number of machines is its n; where there is one machine, of another of its GPUs."
)


def spread_sentence(spreads: Sequence[MachineSpread]) -> Iterator[str]:
    """`4 machines scatter by 2.8% (standard deviation), GPUs of one by 1.4%, processes of one GPU by 0.1%;
    slowest: GPU-3f0c12ab (n2), 6% above the mean.` Of the case whose machines differ most."""
    known = [each for each in spreads if each.levels.outer_sd is not None]
    if not known:
        return
    widest = max(known, key=lambda each: each.levels.outer_sd or 0.0)
    found, unit = widest.levels, widest.slowest.unit
    is_gpu = unit.is_gpu
    outer = how_many(len(found.outer), "machine" if found.kind == "across-machines" else "GPU")
    told = [f"{outer} scatter by {_percent(found.outer_sd)} (standard deviation)"]
    if is_gpu and found.unit_sd is not None:
        told.append(f"GPUs of one machine by {_percent(found.unit_sd)}")
    if found.process_sd is not None:
        told.append(f"processes of one {'GPU' if is_gpu else 'machine'} by {_percent(found.process_sd)}")
    which = f"{unit.name} ({unit.node})" if is_gpu else unit.name
    most = (
        "" if len(known) == 1 else f" in {widest.figure.case.model} {widest.figure.case.workload}, the widest"
    )
    yield f"{', '.join(told)}{most}; slowest: {which}, {_percent(widest.slowest.ratio - 1)} above the mean."


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.1f}%"


def unit_tables(spreads: Sequence[MachineSpread], scope: TableScope) -> Iterator[Table]:
    """How machines scatter in each case, then each of them; nothing of a single unit."""
    if not spreads:
        return
    per = unit_of(each.figure.median for each in spreads)
    # a machine has a column of its own here
    alone = structs.replace(scope, several_machines=False)
    yield _spread_table(spreads, per, alone)
    yield _units_table(spreads, per, alone)


def _spread_table(spreads: Sequence[MachineSpread], per: TimeUnit, scope: TableScope) -> Table:
    cells = [_spread_cells(each, per) for each in spreads]
    return table(
        SPREAD_TITLE,
        [
            *("machines", "GPUs", "processes", f"time ({per.name})"),
            *("over machines", "over GPUs", "over processes", "slowest", "to mean"),
        ],
        [TableLine(subject=each.subject, cells=line) for each, line in zip(spreads, cells, strict=True)],
        scope,
        key=TableKey("spread over machines"),
        notes=[SPREAD_NOTE, *interval_notes(cell for line in cells for cell in line)],
    )


def _spread_cells(found: MachineSpread, per: TimeUnit) -> tuple[Cell, ...]:
    levels, gpus = found.levels, found.slowest.unit.is_gpu
    several = levels.kind == "across-machines"
    return (
        len({each.unit.machine for each in found.units}),
        levels.units if gpus else None,
        len(found.figure.medians),
        measured(found.figure, per.per_second),
        _deviation(levels.outer_sd if several else None),
        _deviation(levels.unit_sd if several else levels.outer_sd) if gpus else None,
        _deviation(levels.process_sd),
        found.slowest.unit.name,
        _to_mean(found.slowest),
    )


def _units_table(spreads: Sequence[MachineSpread], per: TimeUnit, scope: TableScope) -> Table:
    lines = [
        TableLine(subject=found.subject, cells=_unit_cells(each, per))
        for found in spreads
        for each in shown(found.units)
    ]
    hidden = sum(len(found.units) - len(shown(found.units)) for found in spreads)
    return table(
        UNITS_TITLE,
        ["node", "GPU", f"time ({per.name})", "to mean", "processes"],
        lines,
        scope,
        key=TableKey("machine by machine"),
        notes=[
            UNITS_NOTE,
            *([f"{hidden:,} units near the mean are hidden."] if hidden else []),
            *interval_notes(cell for line in lines for cell in line.cells),
        ],
    )


def shown(units: Sequence[UnitTime]) -> Sequence[UnitTime]:
    """All, or of many the slowest and some of the fastest, in the order of their nodes."""
    if len(units) <= SLOWEST_SHOWN + FASTEST_SHOWN:
        return units
    ordered = sorted(units, key=lambda each: -each.ratio)
    kept = {each.unit.id for each in (*ordered[:SLOWEST_SHOWN], *ordered[-FASTEST_SHOWN:])}
    return [each for each in units if each.unit.id in kept]


def _unit_cells(found: UnitTime, per: TimeUnit) -> tuple[Cell, ...]:
    time = with_interval(found.seconds, found.interval, per.per_second)
    return (
        found.unit.node,
        found.unit.name if found.unit.is_gpu else None,
        structs.replace(time, of_one=True) if found.processes == 1 else time,
        _to_mean(found),
        found.processes,
    )


def _to_mean(found: UnitTime) -> Quantity:
    return Quantity(value=100 * (found.ratio - 1), unit="%", sign="always", digits=1)


def _deviation(share: float | None) -> Quantity | None:
    return None if share is None else Quantity(value=100 * share, unit="%", digits=2)
