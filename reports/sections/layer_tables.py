"""Where inside a network the time goes: each layer's time, rates and shares, by part of the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.schema.layer_phases import ALL_LAYERS, BETWEEN, KERNEL, PARTS
from bench.stats.estimates import Ratio
from reports.analysis.layer_shares import APART, LayerRow, Layers
from reports.analysis.utilisation import SMALL_SHARE
from reports.cells import Cell, Quantity
from reports.document import Table, TableKey
from reports.tables.case_columns import TableLine, TableScope, table
from reports.tables.wording import following, interval_notes, milliseconds, one_line

MEGA, GIGA, TERA = 1e6, 1e9, 1e12
SMALL = 0.001
"""Of the whole step. A compiler's kernels with less share a row."""
NAME_LETTERS = 60
"""A compiler's names are as long as what they fuse."""

SUMS_TITLE = "Layers: their sum and the whole step"
SUMS_NOTE = (
    "gap: the layers' sum against steps that were not taken to pieces, by turns with those that were. It "
    "holds what the marks or the profiler cost and, where a GPU's kernels were profiled, the time between "
    "them."
)
COUNTS_NOTE = (
    "share: of the whole step when it is not taken to pieces, so that all shares make 100% and the gap. "
    "GFLOPs: of convolutions and matrix products; a row without a figure has none of them, and other work is "
    "not counted. MB: inputs, weights and outputs, each moved once; a view moves nothing."
)
SHARES_NOTE = (
    "of arithmetic, of bandwidth: over the measured ceilings. Caches lift the second above 100%, and so does "
    "writing in place, where a copy must fetch its target before it writes it. nearer: "
    f"which of the two ceilings is, where either share is {SMALL_SHARE:.0%} or more."
)
BETWEEN_NOTE = (
    "between layers: time inside no layer and no kernel, for Python, dispatch, and what marks or profiler "
    "cost there."
)
BACKWARD_NOTE = (
    "A layer's backward lasts until that of the next one begins. input gradient, weight gradient: each "
    "alone, on random tensors of the same shapes, types and layouts; the first layer of a network needs none "
    "of its input. joint: all that the layer needs in one call, with the bias, as in training. apart: the "
    "two alone against the joint call."
)
KERNEL_NOTE = (
    "kernel: what the compiler made of several layers, or an operator beside them, under its own name. A "
    "convolution or matrix product has the name of its layer, and may hold an activation that was fused "
    "into it."
)


def layer_tables(found: Sequence[Layers], scope: TableScope) -> Iterator[Table]:
    """The sums of all cases, then the parts of each."""
    if found:
        yield _sums(found, scope)
    for layers in found:
        for part, rows in layers.parts.items():
            if any(row.piece.layer.kind for row in rows):
                yield _part(layers, part, rows)


def key_of(layers: Layers, part: str) -> TableKey:
    """Of the table of one part of the step."""
    return TableKey("layers", (layers.name, part))


def _sums(found: Sequence[Layers], scope: TableScope) -> Table:
    lines = [TableLine(subject=layers.subject, cells=tuple(_sum_cells(layers))) for layers in found]
    return table(
        SUMS_TITLE,
        [*(f"{part} (ms)" for part in PARTS), "layers' sum (ms)", "whole step (ms)", "gap"],
        lines,
        scope,
        notes=[SUMS_NOTE, *interval_notes(cell for line in lines for cell in line.cells)],
    )


def _sum_cells(layers: Layers) -> Iterator[Cell]:
    for part in PARTS:
        rows = layers.parts.get(part)
        yield 1e3 * sum(row.seconds for row in rows) if rows else None
    yield milliseconds(layers.together.get((ALL_LAYERS, "sum_time")))
    yield milliseconds(layers.together[ALL_LAYERS, "whole_time"])
    ratio = layers.together.get((ALL_LAYERS, "sum_over_whole"))
    yield _signed(ratio.median - 1, digits=1) if ratio else None


_Column = Callable[[LayerRow], Cell]


def _part(layers: Layers, part: str, rows: Sequence[LayerRow]) -> Table:
    """A row for each layer and one for their sum; a column that is empty in every row is left out."""
    small = [row for row in rows if row.piece.layer.kind == KERNEL and row.share < SMALL]
    named = [row for row in rows if row not in small]
    columns = _columns(rows)
    names = list(columns)
    cells = [[cell(row) for cell in columns.values()] for row in named]
    for told, several in (
        (f"{len(small):,} more kernel{'s' if len(small) > 1 else ''}", small),
        ("sum", rows),
    ):
        if several:
            total = _total(told, several)
            cells.append([total.get(name) for name in names])
    shown = [at for at in range(len(columns)) if any(row[at] is not None for row in cells)]
    kernels = any(row.piece.layer.kind == KERNEL for row in rows)
    return Table(
        title=layers.title(part),
        key=key_of(layers, part),
        columns=tuple(names[at] for at in shown),
        rows=tuple(tuple(row[at] for at in shown) for row in cells),
        notes=(
            COUNTS_NOTE,
            *(
                (SHARES_NOTE,)
                if any(row.reached.utilisation or row.reached.bandwidth_share for row in rows)
                else ()
            ),
            *((BETWEEN_NOTE,) if any(row.piece.layer == BETWEEN for row in rows) else ()),
            *((BACKWARD_NOTE,) if part == "backward" and not kernels else ()),
            *((KERNEL_NOTE,) if kernels else ()),
            *interval_notes(cell for row in cells for cell in row),
        ),
    )


def _total(told: str, rows: Sequence[LayerRow]) -> dict[str, Cell]:
    """One row for several."""
    return {
        "layer": told,
        "time (ms)": sum(row.seconds for row in rows) * 1e3,
        "share": _percent(sum(row.share for row in rows)),
        "GFLOPs": sum(row.reached.flops or 0.0 for row in rows) / GIGA or None,
        "MB": sum(row.reached.bytes or 0.0 for row in rows) / MEGA or None,
    }


def _columns(rows: Sequence[LayerRow]) -> dict[str, _Column]:
    """What a row has under each column's name."""
    fastest = max((row.reached.flops or 0.0) / row.seconds for row in rows)
    unit, size = ("TFLOP/s", TERA) if fastest >= TERA else ("GFLOP/s", GIGA)
    several = any((row.calls or 1) > 1 for row in rows)
    return {
        "layer": lambda row: one_line(row.piece.layer.name, NAME_LETTERS),
        "kind": lambda row: row.piece.layer.kind or None,
        "calls": lambda row: row.calls if several else None,
        "time (ms)": lambda row: milliseconds(row.reached.time),
        "share": lambda row: _percent(row.share),
        "GFLOPs": lambda row: None if row.reached.flops is None else row.reached.flops / GIGA,
        unit: lambda row: _follows(row.reached.flops and row.reached.flops / row.seconds / size, row),
        "of arithmetic": lambda row: _follows(_share(row.reached.utilisation), row),
        "MB": lambda row: row.reached.bytes / MEGA if row.reached.bytes else None,
        "FLOP/byte": lambda row: row.reached.intensity,
        "of bandwidth": lambda row: _follows(_share(row.reached.bandwidth_share), row),
        "nearer": _nearer,
        **{f"{name} (ms)": _gradient(metric) for name, metric in APART.items()},
        "apart": lambda row: _signed(row.apart_over_joint),
    }


def _follows(cell: Cell, row: LayerRow) -> Cell:
    """From the layer's time; a rate of zero is none."""
    return following(cell or None, row.reached.time)


def _share(found: Ratio | None) -> Cell:
    return _percent(found.value if found else None)


def _gradient(metric: str) -> _Column:
    return lambda row: row.separate[metric] * 1e3 if metric in row.separate else None


def _nearer(row: LayerRow) -> Cell:
    """The ceiling that is nearer, if either is near enough to be what holds the layer back."""
    computing, moving = (
        share.value if share else 0.0 for share in (row.reached.utilisation, row.reached.bandwidth_share)
    )
    if max(computing, moving) < SMALL_SHARE:
        return None
    return "arithmetic" if computing >= moving else "memory"


def _percent(share: float | None) -> Cell:
    return None if share is None else Quantity(value=100 * share, unit="%", digits=1)


def _signed(share: float | None, digits: int = 0) -> Cell:
    return None if share is None else Quantity(value=100 * share, unit="%", digits=digits, sign="always")
