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
from reports.document import Table
from reports.summary.figures import Figure, same_precision
from reports.summary.measured_networks import is_same_network
from reports.summary.subjects import subject_of
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import interval_notes, milliseconds, with_interval

MIXED: tuple[Precision, ...] = ("amp-bf16", "amp-fp16")


def _compiles(case: Case) -> bool:
    """An engine that this version does not know is in no comparison."""
    engine = engines().get(case.engine)
    return engine is not None and engine.compiles


class SpeedupKind(Struct, frozen=True, kw_only=True):
    """Cases with the same `key` may be compared; by default also the precision read back must agree."""

    title: str
    is_base: Callable[[Case], bool]
    is_new: Callable[[Case], bool]
    key: Callable[[Case], Case]
    base: str
    new: str
    note: str
    same_precision: bool = True


COMPILED = SpeedupKind(
    title="Speed-up from torch.compile",
    is_base=lambda case: case.engine == "eager",
    is_new=_compiles,
    key=lambda case: structs.replace(case, engine=""),
    base="eager (ms)",
    new="compiled (ms)",
    note=(
        "Steady state, without compile time. The layout is the one you set; Inductor may choose another "
        "inside its graph."
    ),
)


def _over_the_host(device: Device) -> SpeedupKind:
    host = devices.host()
    return SpeedupKind(
        title=f"Speed-up of {device.traits.title} over {host.traits.title}",
        is_base=lambda case: case.device == host.name,
        is_new=lambda case: case.device == device.name,
        # threads belong to the host's side alone
        key=lambda case: structs.replace(case, device="", threads=0),
        base=f"{host.name} (ms)",
        new=f"{device.name} (ms)",
        note="Both devices used the same precision.",
    )


OTHERS = (
    COMPILED,
    SpeedupKind(
        title="Speed-up from CUDA graphs",
        is_base=lambda case: case.engine == "eager",
        is_new=lambda case: case.engine == "cudagraph",
        key=lambda case: structs.replace(case, engine=""),
        base="eager (ms)",
        new="graph (ms)",
        note="The graph replays the kernels of eager, so it saves launch time.",
    ),
    SpeedupKind(
        title="Speed-up from AMP",
        is_base=lambda case: case.precision == "fp32",
        is_new=lambda case: case.precision in MIXED,
        key=lambda case: structs.replace(case, precision="fp32"),
        base="fp32 (ms)",
        new="amp (ms)",
        note="fp32 is IEEE arithmetic, without TF32.",
        same_precision=False,
    ),
)


def comparisons() -> tuple[SpeedupKind, ...]:
    """Each device over the host, then what is compared on one device."""
    over = (each for each in devices.devices().values() if not each.traits.is_host)
    return (*map(_over_the_host, over), *OTHERS)


def speedup_tables(figures: Sequence[Figure], scope: TableScope) -> Iterator[Table]:
    """A table for each comparison that has a pair."""
    whole = [f for f in figures if f.metric == "wall_time" and f.phase == WHOLE[f.case.workload]]
    for comparison in comparisons():
        pairs = list(pairs_of(whole, comparison))
        if not pairs:
            continue
        ratios = [speed_up(base, new) for base, new in pairs]
        lines = [
            TableLine(
                subject=subject_of(new),
                cells=(
                    milliseconds(base),
                    milliseconds(new),
                    with_interval(found.value, found.interval, unit="x"),
                ),
            )
            for (base, new), found in zip(pairs, ratios, strict=True)
        ]
        yield table(
            comparison.title,
            [comparison.base, comparison.new, "speed-up"],
            lines,
            scope,
            notes=[
                f"Wall time of the whole step; above 1x is faster. {comparison.note}",
                *interval_notes(cell for line in lines for cell in line.cells),
            ],
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
