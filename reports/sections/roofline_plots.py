"""Rooflines (Williams, Waterman & Patterson 2009): how fast each network, or each of its layers, computes,
over the arithmetic that it does for each byte it moves; and above them the machine's ceilings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from bench import devices
from reports.analysis.utilisation import Utilisation
from reports.cells import readable
from reports.document import Plot, Series, TableKey
from reports.sections.utilisation_tables import key_of
from reports.summary.machine_labels import machine_text
from reports.tables.case_columns import in_words, varying
from reports.tables.unique_names import UniqueNames

GIGA = 1e9
STEPS_OF_A_ROOF = 32
"""A roof is drawn in so many pieces: more points than a line has markers, and names keep off all of it."""
MARGIN = 2.0
"""The picture reaches beyond points and corners by this factor."""
CROWDED = 16
"""More points than these in a picture, and each dtype has its own."""


class Roof(Struct, frozen=True, kw_only=True):
    """What the machine can do: FLOP/s in a dtype, the `label`, and byte/s."""

    label: str
    flops_per_second: float
    bytes_per_second: float

    @property
    def corner(self) -> float:
        """FLOP/byte from which on arithmetic is what limits."""
        return self.flops_per_second / self.bytes_per_second

    def at(self, intensity: float) -> float:
        """The most FLOP/s at this many FLOP/byte."""
        return min(self.flops_per_second, intensity * self.bytes_per_second)


class Point(Struct, frozen=True, kw_only=True):
    """Work that was timed: FLOPs, bytes moved and seconds, under the roof of that label.

    `name` stands beside it, where it is not empty.
    """

    name: str
    flops: float
    bytes: float
    seconds: float
    roof: str = ""


def roofline(
    title: str,
    name: str,
    roofs: Sequence[Roof],
    points: Sequence[Point],
    *,
    under: TableKey | None = None,
) -> Plot:
    """The picture, with points in the colour of their roof; `name` is its file's stem, `under` its table.

    Needs a roof and a point. Points without FLOPs, bytes or time have no place on logarithmic axes, and are
    left out.
    """
    shown = [point for point in points if min(point.flops, point.bytes, point.seconds) > 0]
    places = [*(roof.corner for roof in roofs), *(point.flops / point.bytes for point in shown)]
    low, high = min(places) / MARGIN, max(places) * MARGIN
    return Plot(
        name=name,
        title=title,
        note=f"Roofs: the measured ceilings. {'; '.join(dict.fromkeys(map(_in_words, roofs)))}.",
        under=under,
        x_label="arithmetic intensity (FLOP/byte)",
        y_label="GFLOP/s",
        log_x=True,
        log_y=True,
        kind="points",
        series=(
            *(_roof(roof, hue, low, high) for hue, roof in enumerate(roofs)),
            *_points(shown, [roof.label for roof in roofs]),
        ),
    )


def _in_words(roof: Roof) -> str:
    arithmetic, memory = (readable(rate / GIGA) for rate in (roof.flops_per_second, roof.bytes_per_second))
    return f"{roof.label}: {arithmetic} GFLOP/s, {memory} GB/s"


def _roof(roof: Roof, hue: int, low: float, high: float) -> Series:
    factor = (high / low) ** (1 / STEPS_OF_A_ROOF)
    places = sorted({*(low * factor**step for step in range(STEPS_OF_A_ROOF)), roof.corner, high})
    return Series(
        label=roof.label,
        x=tuple(places),
        y=tuple(roof.at(place) / GIGA for place in places),
        hue=hue,
        kind="lines",
    )


def _points(points: Sequence[Point], labels: Sequence[str]) -> Iterator[Series]:
    for label in dict.fromkeys(point.roof for point in points):
        under = [point for point in points if point.roof == label]
        yield Series(
            x=tuple(point.flops / point.bytes for point in under),
            y=tuple(point.flops / point.seconds / GIGA for point in under),
            names=tuple(point.name for point in under),
            hue=labels.index(label) if label in labels else len(labels),
        )


def roofline_plots(reached: Sequence[Utilisation]) -> tuple[Plot, ...]:
    """For each workload and device the whole steps under their ceilings, and of many each dtype's apart.

    Of the rows of one network and batch, which stand above each other, the fastest is named.
    """
    names = UniqueNames()
    whole = [each for each in reached if each.is_whole and each.arithmetic and each.bandwidth and each.bytes]
    return tuple(
        plot for title, rows in _by_ceilings(whole).items() for plot in _of_title(title, rows, names)
    )


def _by_ceilings(whole: Sequence[Utilisation]) -> dict[str, list[Utilisation]]:
    """Title -> the rows under one set of ceilings: machines differ in them, and threads of a processor."""
    machines = {each.subject.machine for each in whole}
    threads = {each.subject.case.threads for each in whole if _of_host(each)}
    found: dict[str, list[Utilisation]] = {}
    for each in whole:
        case = each.subject.case
        title = f"Roofline of {case.workload} on {case.device}"
        if _of_host(each) and len(threads) > 1:
            title += f", threads: {case.threads}"
        if len(machines) > 1:
            title += f", machine {machine_text(each.subject.machine)}"
        found.setdefault(title, []).append(each)
    return found


def _of_host(reached: Utilisation) -> bool:
    return devices.traits(reached.subject.case.device).is_host


def _of_title(title: str, rows: Sequence[Utilisation], names: UniqueNames) -> Iterator[Plot]:
    labels = _labels(rows)
    dtypes = list(dict.fromkeys(str(each.dtype) for each in rows))
    parts = [[dtype] for dtype in dtypes] if len(rows) > CROWDED else [dtypes]
    for part in parts:
        shown = [each for each in rows if each.dtype in part]
        heading = f"{title}, {part[0]}" if len(parts) > 1 else title
        yield roofline(
            heading,
            names.unused(heading),
            [_roof_of(dtype, shown) for dtype in part],
            [_point(each, labels) for each in shown],
            under=key_of(shown[0].subject.case),
        )


def _roof_of(dtype: str, rows: Sequence[Utilisation]) -> Roof:
    first = next(each for each in rows if each.dtype == dtype)
    assert first.arithmetic is not None
    assert first.bandwidth is not None
    return Roof(
        label=dtype,
        flops_per_second=first.arithmetic.per_second,
        bytes_per_second=first.bandwidth.per_second,
    )


def _point(reached: Utilisation, labels: dict[int, str]) -> Point:
    return Point(
        name=labels.get(id(reached), ""),
        flops=reached.flops or 0.0,
        bytes=reached.bytes or 0.0,
        seconds=reached.time.median,
        roof=str(reached.dtype),
    )


def _labels(rows: Sequence[Utilisation]) -> dict[int, str]:
    """By identity of the row: the fastest of each network and batch, and what tells it from others."""
    fastest: dict[tuple[object, ...], Utilisation] = {}
    for each in sorted(rows, key=lambda each: each.time.median, reverse=True):
        case = each.subject.case
        fastest[case.model, case.input_shape, case.batch, each.dtype] = each
    found = {}
    for each in fastest.values():
        model = each.subject.case.model
        axes = varying([other.subject for other in rows if other.subject.case.model == model])
        words = in_words(each.subject, axes)
        found[id(each)] = f"{model}, {words}" if words else model
    return found
