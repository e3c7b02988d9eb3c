"""Speed-ups: a GPU over the CPU, compiled and CUDA graph over eager, AMP over fp32.

Always the wall time of the whole step (training) or forward (inference), the one clock that every
device has; and always between two cases that are equal in all other axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, structs

from bench import devices
from bench.contracts.device import Device
from bench.engines import engines
from bench.schema.case import Case, Precision
from bench.schema.phases import WHOLE
from bench.stats.estimates import Ratio
from reports.analysis.figure_ratios import ratio
from reports.cells import Cell
from reports.document import Table
from reports.summary.figures import Figure, same_precision
from reports.summary.measured_networks import is_same_network
from reports.summary.subjects import subject_of
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.time_units import TimeUnit, unit_of
from reports.tables.wording import interval_notes, measured, with_interval

MIXED: tuple[Precision, ...] = ("amp-bf16", "amp-fp16")


def _compiles(case: Case) -> bool:
    """An engine that this version does not know is in no comparison."""
    engine = engines().get(case.engine)
    return engine is not None and engine.compiles


class SpeedupKind(Struct, frozen=True, kw_only=True):
    """Cases with the same `key` may be compared; by default also the precision read back must agree. `base`
    and `new` are what people call the two sides."""

    is_base: Callable[[Case], bool]
    is_new: Callable[[Case], bool]
    key: Callable[[Case], Case]
    base: str
    new: str
    note: str
    same_precision: bool = True

    @property
    def name(self) -> str:
        """`eager → compiled`"""
        return f"{self.base} → {self.new}"


COMPILED = SpeedupKind(
    is_base=lambda case: case.engine == "eager",
    is_new=_compiles,
    key=lambda case: structs.replace(case, engine=""),
    base="eager",
    new="compiled",
    note=(
        "Steady state, without compile time. The layout is the one you set; Inductor may choose another "
        "inside its graph."
    ),
)


def _over_the_host(device: Device) -> SpeedupKind:
    host = devices.host()
    return SpeedupKind(
        is_base=lambda case: case.device == host.name,
        is_new=lambda case: case.device == device.name,
        # threads belong to the host's side alone
        key=lambda case: structs.replace(case, device="", threads=0),
        base=host.name,
        new=device.name,
        note="Both devices used the same precision.",
    )


OTHERS = (
    COMPILED,
    SpeedupKind(
        is_base=lambda case: case.engine == "eager",
        is_new=lambda case: case.engine == "cudagraph",
        key=lambda case: structs.replace(case, engine=""),
        base="eager",
        new="CUDA graph",
        note="The graph replays the kernels of eager, so it saves launch time.",
    ),
    SpeedupKind(
        is_base=lambda case: case.precision == "fp32",
        is_new=lambda case: case.precision in MIXED,
        key=lambda case: structs.replace(case, precision="fp32"),
        base="fp32",
        new="AMP",
        note="fp32 is IEEE arithmetic, without TF32.",
        same_precision=False,
    ),
)


def comparisons() -> tuple[SpeedupKind, ...]:
    """Each device over the host, then what is compared on one device."""
    over = (each for each in devices.devices().values() if not each.traits.is_host)
    return (*map(_over_the_host, over), *OTHERS)


def speedup_table(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """A row for each pair of each comparison; none without a pair."""
    whole = [f for f in figures if f.metric == "wall_time" and f.phase == WHOLE[f.case.workload]]
    found = [(kind, *pair) for kind in comparisons() for pair in pairs_of(whole, kind)]
    if not found:
        return
    unit = unit_of(figure.median for _, *sides in found for figure in sides)
    lines = [
        TableLine(subject=subject_of(new), cells=_cells(comparison, base, new, unit))
        for comparison, base, new in found
    ]
    told = dict.fromkeys(f"{comparison.name}: {comparison.note}" for comparison, _, _ in found)
    yield table(
        "Speed-ups",
        ["comparison", f"before ({unit.name})", f"after ({unit.name})", "speed-up"],
        lines,
        scope,
        optional=(f"before ({unit.name})", f"after ({unit.name})"),
        notes=[
            "Wall time of the whole step; above 1x is faster.",
            *told,
            *interval_notes(cell for line in lines for cell in line.cells),
        ],
    )


def _cells(comparison: SpeedupKind, base: Figure, new: Figure, unit: TimeUnit) -> tuple[Cell, ...]:
    found = speed_up(base, new)
    return (
        comparison.name,
        measured(base, unit.per_second),
        measured(new, unit.per_second),
        with_interval(found.value, found.interval, unit="x"),
    )


def pairs_of(figures: Sequence[Figure], comparison: SpeedupKind) -> Iterator[tuple[Figure, Figure]]:
    """(base, new) for every new figure whose base was measured on the same machine."""
    bases: dict[Case, list[Figure]] = {}
    for figure in figures:
        if comparison.is_base(figure.case) and figure.median > 0:
            bases.setdefault(comparison.key(figure.case), []).append(figure)
    for new in figures:
        if comparison.is_new(new.case) and new.median > 0:
            for base in bases.get(comparison.key(new.case), ()):
                same = not comparison.same_precision or same_precision(base.effective, new.effective)
                same = same and is_same_network(base, new)
                if same and (base.machine == new.machine or set(base.machine) & set(new.machine)):
                    yield base, new


def speed_up(base: Figure, new: Figure) -> Ratio:
    """How many times faster the new one is, across processes where there are two or more of each."""
    return ratio(base, new)
