"""Where inside a network the time goes: each layer's time, rates and shares, by part of the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from bench.schema.layer_phases import BETWEEN, KERNEL, PARTS, TOGETHER, Piece, piece_of
from reports.analysis.measured_ceilings import Ceilings, arithmetic_dtype
from reports.analysis.utilisation import SMALL_SHARE, Reached
from reports.document import Cell, Table
from reports.sections.latency_tables import Figures, by_subject
from reports.summary.figures import Figure
from reports.tables.case_columns import Layout, Line, Subject, effective_text, table
from reports.tables.wording import interval_notes, milliseconds, one_line

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
    "GFLOPs: of convolutions and linear layers, in closed form. MB: inputs, weights and outputs, each moved "
    "once; a view moves nothing."
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


class LayerRow(Struct, frozen=True, kw_only=True):
    """A layer in one part of the step.

    share   of the whole step's time
    calls   in one step; None for what is no layer
    apart   seconds of the gradients by metric: of the input, of the weights, of both jointly
    """

    piece: Piece
    reached: Reached
    share: float
    calls: int | None
    apart: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Of one step."""
        return self.reached.time.median

    @property
    def apart_over_joint(self) -> float | None:
        """By how much the gradients apart take longer than jointly, as a share; None for a single one."""
        joint = self.apart.get(APART["joint"])
        parts = [self.apart.get(APART[name]) for name in ("input gradient", "weight gradient")]
        if not joint or None in parts:
            return None
        return sum(part or 0.0 for part in parts) / joint - 1


APART = {
    "input gradient": "input_gradient_time",
    "weight gradient": "weight_gradient_time",
    "joint": "joint_gradient_time",
}
"""Column -> metric."""


class Layers(Struct, frozen=True, kw_only=True):
    """One case by its layers.

    name      of the case, unlike any other's
    together  the figures of all layers together, by (phase, metric)
    parts     the rows of each part of the step, layers in the order of the network
    """

    subject: Subject
    name: str
    together: Figures
    parts: dict[str, tuple[LayerRow, ...]]

    def title(self, part: str) -> str:
        """Of the table of that part."""
        return f"Layers of {self.name}: {part}"


def layers_of(figures: Sequence[Figure], ceilings: Ceilings) -> tuple[Layers, ...]:
    """The cases whose layers were measured."""
    found = {s: f for s, f in by_subject(figures).items() if (TOGETHER, "whole_time") in f}
    return tuple(_layers(subject, of_it, ceilings, list(found)) for subject, of_it in found.items())


def reached_by_layers(found: Sequence[Layers]) -> Iterator[Reached]:
    """What every layer reached in every part of the step."""
    for layers in found:
        for rows in layers.parts.values():
            yield from (row.reached for row in rows)


def _layers(subject: Subject, figures: Figures, ceilings: Ceilings, subjects: Sequence[Subject]) -> Layers:
    parts: dict[str, list[LayerRow]] = {}
    whole = figures[TOGETHER, "whole_time"].median
    for phase, metric in figures:
        piece = piece_of(phase)
        # of a compiler's kernels some run in a few steps only
        if piece is not None and metric == "layer_time" and figures[phase, metric].median > 0:
            parts.setdefault(piece.part, []).append(_row(piece, subject, figures, whole, ceilings))
    alike = [other for other in subjects if other.case == subject.case]
    told = f" ({'+'.join(subject.machine)}: {effective_text(subject.effective)})" if len(alike) > 1 else ""
    return Layers(
        subject=subject,
        name=subject.case.id + told,
        together={key: figure for key, figure in figures.items() if key[0] == TOGETHER},
        parts={part: _ordered(rows, parts.get("forward", [])) for part, rows in parts.items()},
    )


def _row(piece: Piece, subject: Subject, figures: Figures, whole: float, ceilings: Ceilings) -> LayerRow:
    case = subject.case
    dtype = arithmetic_dtype(case, subject.effective)
    of_it = {metric: figure for (phase, metric), figure in figures.items() if phase == piece.phase}
    values = {metric: figure.median for metric, figure in of_it.items()}
    reached = Reached(
        subject=subject,
        time=of_it["layer_time"],
        flops=values.get("flops"),
        bytes=values.get("bytes_moved"),
        dtype=dtype,
        arithmetic=ceilings.arithmetic(subject.machine, case.device, dtype, case.threads) if dtype else None,
        bandwidth=ceilings.bandwidth(subject.machine, case.device, case.threads),
        bound=None,
    )
    return LayerRow(
        piece=piece,
        reached=reached,
        share=values["layer_time"] / whole,
        calls=round(values["calls"]) if "calls" in values else None,
        apart={metric: values[metric] for metric in APART.values() if metric in values},
    )


def _ordered(rows: Sequence[LayerRow], forward: Sequence[LayerRow]) -> tuple[LayerRow, ...]:
    """Layers in the order of the network, whichever way they ran, and then what is no layer. Kernels of a
    compiler stay in their own order."""
    places = {row.piece.layer: place for place, row in enumerate(forward)}
    if any(row.piece.layer.kind == KERNEL for row in rows):
        places = {row.piece.layer: place for place, row in enumerate(rows)}
    last = len(places)
    return tuple(sorted(rows, key=lambda row: (not row.piece.layer.kind, places.get(row.piece.layer, last))))


def layer_tables(found: Sequence[Layers], layout: Layout) -> Iterator[Table]:
    """The sums of all cases, then the parts of each."""
    if found:
        yield _sums(found, layout)
    for layers in found:
        for part, rows in layers.parts.items():
            if any(row.piece.layer.kind for row in rows):
                yield _part(layers.title(part), part, rows)


def _sums(found: Sequence[Layers], layout: Layout) -> Table:
    lines = [Line(subject=layers.subject, cells=tuple(_sum_cells(layers))) for layers in found]
    return table(
        SUMS_TITLE,
        [*(f"{part} (ms)" for part in PARTS), "layers' sum (ms)", "whole step (ms)", "gap"],
        lines,
        layout,
        notes=[SUMS_NOTE, *interval_notes(cell for line in lines for cell in line.cells)],
    )


def _sum_cells(layers: Layers) -> Iterator[Cell]:
    for part in PARTS:
        rows = layers.parts.get(part)
        yield 1e3 * sum(row.seconds for row in rows) if rows else None
    yield milliseconds(layers.together.get((TOGETHER, "sum_time")))
    yield milliseconds(layers.together[TOGETHER, "whole_time"])
    ratio = layers.together.get((TOGETHER, "sum_over_whole"))
    yield f"{100 * (ratio.median - 1):+.1f}%" if ratio else None


_Column = Callable[[LayerRow], Cell]


def _part(title: str, part: str, rows: Sequence[LayerRow]) -> Table:
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
        title=title,
        columns=tuple(names[at] for at in shown),
        rows=tuple(tuple(row[at] for at in shown) for row in cells),
        notes=(
            COUNTS_NOTE,
            *((SHARES_NOTE,) if any(row.reached.utilisation or row.reached.traffic for row in rows) else ()),
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
        unit: lambda row: row.reached.flops / row.seconds / size if row.reached.flops else None,
        "of arithmetic": lambda row: _percent(row.reached.utilisation and row.reached.utilisation.value),
        "MB": lambda row: row.reached.bytes / MEGA if row.reached.bytes else None,
        "FLOP/byte": lambda row: row.reached.intensity,
        "of bandwidth": lambda row: _percent(row.reached.traffic and row.reached.traffic.value),
        "nearer": _nearer,
        **{f"{name} (ms)": _gradient(metric) for name, metric in APART.items()},
        "apart": lambda row: _signed(row.apart_over_joint),
    }


def _gradient(metric: str) -> _Column:
    return lambda row: row.apart[metric] * 1e3 if metric in row.apart else None


def _nearer(row: LayerRow) -> Cell:
    """The ceiling that is nearer, if either is near enough to be what holds the layer back."""
    computing, moving = (
        share.value if share else 0.0 for share in (row.reached.utilisation, row.reached.traffic)
    )
    if max(computing, moving) < SMALL_SHARE:
        return None
    return "arithmetic" if computing >= moving else "memory"


def _percent(share: float | None) -> Cell:
    return None if share is None else f"{100 * share:.1f}%"


def _signed(share: float | None) -> Cell:
    return None if share is None else f"{100 * share:+.0f}%"
