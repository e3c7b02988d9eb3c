"""Pictures of layers: bars of their times, and each of them under the machine's roof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reports.analysis.layer_shares import LayerRow, Layers
from reports.document import Plot, Series
from reports.sections.layer_tables import names_of
from reports.sections.layer_work_tables import key_of, label_of
from reports.sections.roofline_plots import Point, Roof, roofline
from reports.tables.unique_names import UniqueNames
from reports.tables.wording import one_line

SMALL = 0.005
"""Of the whole step. Layers with less have no bar: a compiler leaves dozens of them."""
NAME_LETTERS = 40
"""A compiler's names would leave no room for the bars."""


def layer_plots(found: Sequence[Layers]) -> Iterator[Plot]:
    """For each case its bars, and where ceilings were measured a roofline for each part of the step."""
    names, titles = UniqueNames(), names_of(found)
    for layers in found:
        title = titles[layers.name]
        yield _bars(layers, names.unused(f"layers-{layers.name}"), title)
        for part, rows in layers.parts.items():
            yield from _roofline(layers, part, rows, names, title)


def _bars(layers: Layers, name: str, title: str) -> Plot:
    """A row for each layer, with its parts of the step one after the other."""
    seconds: dict[str, float] = {}
    for row in (row for rows in layers.parts.values() for row in rows):
        seconds[row.piece.layer.name] = seconds.get(row.piece.layer.name, 0.0) + row.share
    shown = [name for name, share in seconds.items() if share >= SMALL]
    places = {name: float(place) for place, name in enumerate(shown)}
    excluded = len(seconds) - len(shown)
    return Plot(
        name=name,
        title=f"{title}: time by layer",
        note=f"Not shown: {excluded} of less than {SMALL:.1%} of the step." if excluded else "",
        under=key_of(layers),
        x_label="time (ms)",
        y_label="",
        kind="bars",
        series=tuple(_part(part, rows, places) for part, rows in layers.parts.items()),
    )


def _part(part: str, rows: Sequence[LayerRow], places: dict[str, float]) -> Series:
    barred = [row for row in rows if row.piece.layer.name in places]
    return Series(
        label=part,
        x=tuple(row.seconds * 1e3 for row in barred),
        y=tuple(places[row.piece.layer.name] for row in barred),
        names=tuple(one_line(label_of(row.piece.layer), NAME_LETTERS) for row in barred),
    )


def _roofline(
    layers: Layers, part: str, rows: Sequence[LayerRow], names: UniqueNames, title: str
) -> Iterator[Plot]:
    """The layers whose FLOPs are counted."""
    counted = [row for row in rows if row.reached.flops and row.reached.bytes]
    ceilings = [row.reached for row in counted if row.reached.arithmetic and row.reached.bandwidth]
    for reached in ceilings[:1]:  # one roof stands over all layers of a case
        assert reached.arithmetic is not None
        assert reached.bandwidth is not None
        label = reached.dtype or ""
        roof = Roof(
            label=label,
            flops_per_second=reached.arithmetic.per_second,
            bytes_per_second=reached.bandwidth.per_second,
        )
        yield roofline(
            f"{title}: {part}, roofline of the layers",
            names.unused(f"roofline-layers-{layers.name}-{part}"),
            [roof],
            [_point(row, label) for row in counted],
            under=key_of(layers, part),
        )


def _point(row: LayerRow, roof: str) -> Point:
    return Point(
        name=row.piece.layer.name,
        flops=row.reached.flops or 0.0,
        bytes=row.reached.bytes or 0.0,
        seconds=row.seconds,
        roof=roof,
    )
