"""What each layer computes and moves, by part of the step, and its gradients one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.schema.layer_phases import BETWEEN, UPDATE, Layer
from bench.schema.layer_phases import Part as StepPart
from bench.stats.estimates import Ratio
from reports.analysis.layer_shares import APART, LayerRow, Layers
from reports.analysis.utilisation import SMALL_SHARE
from reports.cells import Cell, Quantity
from reports.document import Part, Table, TableKey
from reports.tables.wording import following, interval_notes, milliseconds, one_line

MEGA, GIGA, TERA = 1e6, 1e9, 1e12
NAME_LETTERS = 60
"""A compiler's names are as long as what they fuse."""
WORK = Part("layer-work", "FLOPs, bytes and gradients of each layer", in_appendix=True)
COUNTS_NOTE = (
    "GFLOPs: of convolutions and matrix products; other work is not counted. MB: inputs, weights and "
    "outputs, each moved once; a view moves nothing."
)
SHARES_NOTE = (
    "% of peak compute, % of peak bandwidth: of the measured peaks. Caches lift the second above 100%, and "
    "so does writing in place, which need not read its target first. nearer: the larger of the two, from "
    f"{SMALL_SHARE:.0%} up."
)
GRADIENTS_NOTE = (
    "input, weight: each gradient computed alone, on random tensors of the same shapes, dtypes and layouts; "
    "the first layer needs no input gradient. joint: all gradients of the layer in one call, as in training. "
    "alone vs joint: the sum of the two against that call."
)


def work_tables(layers: Layers, name: str) -> Iterator[Table]:
    """Of one case, which `name` tells from the others."""
    for part, rows in layers.parts.items():
        counted = [row for row in rows if row.reached.flops or row.reached.bytes]
        if counted:
            yield _work(layers, part, counted, name)
    yield from _gradients(layers, name)


def key_of(layers: Layers, part: str = "") -> TableKey:
    """Of the table of one part of the step; without a part of the table of all layers."""
    return TableKey("layers", (layers.name, part))


def label_of(layer: Layer) -> str:
    """Its name; what no layer owns has that of what it is."""
    return "outside layers" if layer == BETWEEN else "optimizer" if layer == UPDATE else layer.name


_Column = Callable[[LayerRow], Cell]


def _work(layers: Layers, part: StepPart, rows: Sequence[LayerRow], name: str) -> Table:
    """A row for each layer with its FLOPs and bytes; a column that is empty in every row is left out."""
    columns = _columns(rows)
    names = list(columns)
    total = _total(rows)
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    cells.append([total.get(each) for each in names])
    shown = [at for at in range(len(columns)) if any(row[at] is not None for row in cells)]
    reached = [row.reached.utilisation or row.reached.bandwidth_share for row in rows]
    return Table(
        title=f"{name}: {part}, FLOPs and bytes",
        key=key_of(layers, part),
        columns=tuple(names[at] for at in shown),
        rows=tuple(tuple(row[at] for at in shown) for row in cells),
        part=WORK,
        notes=(
            COUNTS_NOTE,
            *((SHARES_NOTE,) if any(reached) else ()),
            *interval_notes(cell for row in cells for cell in row),
        ),
    )


def _total(rows: Sequence[LayerRow]) -> dict[str, Cell]:
    """One row for all."""
    return {
        "layer": "sum",
        "time (ms)": sum(row.seconds for row in rows) * 1e3,
        "GFLOPs": sum(row.reached.flops or 0.0 for row in rows) / GIGA or None,
        "MB": sum(row.reached.bytes or 0.0 for row in rows) / MEGA or None,
    }


def _columns(rows: Sequence[LayerRow]) -> dict[str, _Column]:
    """What a row has under each column's name."""
    fastest = max((row.reached.flops or 0.0) / row.seconds for row in rows)
    unit, size = ("TFLOP/s", TERA) if fastest >= TERA else ("GFLOP/s", GIGA)
    several = any((row.calls or 1) > 1 for row in rows)
    return {
        "layer": lambda row: one_line(label_of(row.piece.layer), NAME_LETTERS),
        "calls": lambda row: row.calls if several else None,
        "time (ms)": lambda row: milliseconds(row.reached.time),
        "GFLOPs": lambda row: None if row.reached.flops is None else row.reached.flops / GIGA,
        unit: lambda row: _follows(row.reached.flops and row.reached.flops / row.seconds / size, row),
        "% of peak compute": lambda row: _follows(_share(row.reached.utilisation), row),
        "MB": lambda row: row.reached.bytes / MEGA if row.reached.bytes else None,
        "FLOP/byte": lambda row: row.reached.intensity,
        "% of peak bandwidth": lambda row: _follows(_share(row.reached.bandwidth_share), row),
        "nearer": _nearer,
    }


def _gradients(layers: Layers, name: str) -> Iterator[Table]:
    """The gradients of each layer alone and jointly, where they were timed."""
    rows = tuple(
        (
            one_line(label_of(row.piece.layer), NAME_LETTERS),
            *(1e3 * row.separate[metric] if metric in row.separate else None for metric in APART.values()),
            signed(row.apart_over_joint),
        )
        for row in layers.parts.get("backward", ())
        if row.separate
    )
    if rows:
        columns = ("layer", "input (ms)", "weight (ms)", "joint (ms)", "alone vs joint")
        title = f"{name}: gradients one by one"
        yield Table(title=title, columns=columns, rows=rows, part=WORK, notes=(GRADIENTS_NOTE,))


def _follows(cell: Cell, row: LayerRow) -> Cell:
    """From the layer's time; a rate of zero is none."""
    return following(cell or None, row.reached.time)


def _share(found: Ratio | None) -> Cell:
    return percent(found.value if found else None)


def _nearer(row: LayerRow) -> Cell:
    """The limit that is nearer, if either is near enough to be what limits the layer."""
    computing, moving = (
        share.value if share else 0.0 for share in (row.reached.utilisation, row.reached.bandwidth_share)
    )
    if max(computing, moving) < SMALL_SHARE:
        return None
    return "compute" if computing >= moving else "memory"


def percent(share: float | None) -> Cell:
    """To a tenth of a point."""
    return None if share is None else Quantity(value=100 * share, unit="%", digits=1)


def signed(share: float | None, digits: int = 0) -> Cell:
    """A difference in percent, with its sign."""
    return None if share is None else Quantity(value=100 * share, unit="%", digits=digits, sign="always")
