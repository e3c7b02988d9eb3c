"""Where inside a network the time goes: each layer's time, share and limit, then its work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import structs

from bench.schema.layer_phases import ALL_LAYERS, BETWEEN, KERNEL, PARTS, Layer
from bench.schema.layer_phases import Part as StepPart
from bench.schema.plurals import how_many
from reports.analysis.layer_headroom import Headroom, by_layer, gap_of, headroom
from reports.analysis.layer_shares import Layers
from reports.cells import Cell, Quantity
from reports.document import Part, Table
from reports.sections.layer_work_tables import NAME_LETTERS, key_of, label_of, percent, signed, work_tables
from reports.tables.case_columns import TableLine, TableScope, in_words, table, varying
from reports.tables.case_names import case_name
from reports.tables.wording import interval_notes, milliseconds, one_line, with_interval

SMALL = 0.001
"""Of the whole step. A compiler's kernels with less share a row."""

LAYERS = Part("layers", "Time by layer")

SUMS_TITLE = "Sum of the layers and the whole step"
SUMS_NOTE = (
    "gap: the sum of the layers against a step that is timed as a whole, in alternation with it. It contains "
    "the overhead of timing each layer and, where a profiler times a GPU's kernels, the time between them."
)
LIMIT_NOTE = (
    "share: of the whole step; the shares add up to 100% and the gap. % of limit: the time at the nearer of "
    "measured peak compute and peak bandwidth, over the time. could save: the rest of the time."
)
TIME_NOTE = "share: of the whole step; the shares add up to 100% and the gap."
BETWEEN_NOTE = "outside layers: Python, dispatch and measuring overhead."
BACKWARD_NOTE = "The backward time of a layer ends when that of the next one begins."
KERNEL_NOTE = (
    "kernel: several layers fused by the compiler, or an operator outside layers, under its own name. A "
    "convolution or matrix product has the name of its layer and may include a fused activation."
)


def layer_tables(found: Sequence[Layers], scope: TableScope) -> Iterator[Table]:
    """A row for each layer of each case, the sums of all cases, then the work of each part of a step."""
    names = names_of(found)
    for layers in found:
        yield _by_layer(layers, names[layers.name])
    if found:
        yield _sums(found, scope)
    for layers in found:
        yield from work_tables(layers, names[layers.name])


def names_of(found: Sequence[Layers]) -> dict[str, str]:
    """Each case by its id as people say it: `VGG-16 training, batch 8`, and what else tells it apart."""
    subjects = [layers.subject for layers in found]
    axes = varying(subjects, without=("workload", "batch"))
    told = {layers.name: in_words(layers.subject, axes) for layers in found}
    return {
        layers.name: ", ".join(filter(None, (case_name(layers.subject.case), told[layers.name])))
        for layers in found
    }


def _by_layer(layers: Layers, name: str) -> Table:
    """The layers in the order of the network: the time of each part of the step, its share and its limit."""
    every = {layer: headroom(rows) for layer, rows in by_layer(layers).items()}
    small = [each for each in every.values() if each.layer.kind == KERNEL and each.share < SMALL]
    named = [each for each in every.values() if each not in small]
    parts = [part for part in PARTS if part in layers.parts and part != "optimizer"]
    parts = parts if len(parts) > 1 else []
    has_limit = any(each.limit for each in every.values())
    columns = ("layer", "kind", *(f"{part} (ms)" for part in parts), "time (ms)", "share")
    columns += ("% of limit", "could save (ms)") if has_limit else ()
    times = _times(layers)
    rows = [
        _layer_cells(each, [times.get((part, each.layer)) for part in parts], has_limit) for each in named
    ]
    if small:
        told = how_many(len(small), "more kernel")
        rows.append(_sum_of(told, small, len(parts), has_limit))
    rows.append(_sum_of("sum", list(every.values()), len(parts), has_limit))
    return Table(
        title=f"{name}: by layer",
        key=key_of(layers),
        columns=columns,
        rows=tuple(rows),
        part=LAYERS,
        optional=("kind",),
        notes=(
            LIMIT_NOTE if has_limit else TIME_NOTE,
            *((BETWEEN_NOTE,) if BETWEEN in every else ()),
            *((BACKWARD_NOTE,) if "backward" in parts else ()),
            *((KERNEL_NOTE,) if any(layer.kind == KERNEL for layer in every) else ()),
            *interval_notes(cell for row in rows for cell in row),
        ),
    )


def _times(layers: Layers) -> dict[tuple[StepPart, Layer], Quantity | None]:
    return {
        (part, row.piece.layer): milliseconds(row.reached.time)
        for part, rows in layers.parts.items()
        for row in rows
    }


def _layer_cells(found: Headroom, times: Sequence[Cell], has_limit: bool) -> tuple[Cell, ...]:
    whole = together(found)
    cells: tuple[Cell, ...] = (
        one_line(label_of(found.layer), NAME_LETTERS),
        found.layer.kind or None,
        *times,
        whole,
        percent(found.share),
    )
    if not has_limit:
        return cells
    return (*cells, of_limit(found), saved(found))


def together(found: Headroom) -> Quantity:
    """The time of a layer over all parts of the step, in ms; of several parts the interval has the sums of
    their ends, which is wide enough whatever moves them alike."""
    times = [with_interval(time.median, time.interval, 1e3) for time in found.times]
    if len(times) == 1:
        return times[0]
    ends = [(each.low, each.high) for each in times]
    known = [(low, high) for low, high in ends if low is not None and high is not None]
    return Quantity(
        value=sum(each.value for each in times),
        low=sum(low for low, _ in known) if len(known) == len(ends) else None,
        high=sum(high for _, high in known) if len(known) == len(ends) else None,
        of_one=any(each.of_one for each in times),
        borrowed=all(each.borrowed for each in times),
    )


def of_limit(found: Headroom) -> Cell:
    """`49% compute`; a mark where the time is not resolved."""
    if found.share_of_limit is None:
        return None
    if not together(found).is_resolved:
        return Quantity(value=found.share_of_limit, unresolved=True)
    return f"{found.share_of_limit:.0%} {found.limit}"


def saved(found: Headroom) -> Cell:
    """Milliseconds above the nearer limit."""
    if found.share_of_limit is None:
        return None
    is_resolved = together(found).is_resolved
    return Quantity(value=1e3 * found.saved_seconds, unresolved=not is_resolved)


def _sum_of(told: str, several: Sequence[Headroom], parts: int, has_limit: bool) -> tuple[Cell, ...]:
    """One row for several."""
    cells: tuple[Cell, ...] = (
        *(told, None),
        *[None] * parts,
        1e3 * sum(each.seconds for each in several),
        percent(sum(each.share for each in several)),
    )
    return (*cells, None, 1e3 * sum(each.saved_seconds for each in several)) if has_limit else cells


def _sums(found: Sequence[Layers], scope: TableScope) -> Table:
    lines = [TableLine(subject=layers.subject, cells=tuple(_sum_cells(layers))) for layers in found]
    shown = table(
        SUMS_TITLE,
        [*(f"{part} (ms)" for part in PARTS), "sum (ms)", "whole step (ms)", "gap"],
        lines,
        scope,
        notes=[SUMS_NOTE, *interval_notes(cell for line in lines for cell in line.cells)],
    )
    return structs.replace(shown, part=LAYERS)


def _sum_cells(layers: Layers) -> Iterator[Cell]:
    for part in PARTS:
        rows = layers.parts.get(part)
        yield 1e3 * sum(row.seconds for row in rows) if rows else None
    gap = gap_of(layers)
    yield 1e3 * gap.added
    yield milliseconds(layers.together[ALL_LAYERS, "whole_time"])
    yield signed(gap.share, digits=1)
