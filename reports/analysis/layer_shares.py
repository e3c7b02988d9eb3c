"""Which share of a step each layer takes, and what it reaches of the ceilings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from bench.schema.layer_phases import ALL_LAYERS, KERNEL, LayerPart, Part, part_of
from reports.analysis.measured_ceilings import Ceilings, arithmetic_dtype
from reports.analysis.utilisation import Utilisation
from reports.summary.figures import Figure, effective_text
from reports.summary.machine_labels import machine_text
from reports.summary.subjects import Figures, Subject, by_subject, subject_of


class LayerRow(Struct, frozen=True, kw_only=True):
    """A layer in one part of the step.

    share     of the whole step's time
    calls     in one step; None for what is no layer
    separate  seconds of the gradients by metric: of the input, of the weights, of both jointly
    """

    piece: LayerPart
    reached: Utilisation
    share: float
    calls: int | None
    separate: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Of one step."""
        return self.reached.time.median

    @property
    def apart_over_joint(self) -> float | None:
        """By how much the gradients apart take longer than jointly, as a share; None for a single one."""
        joint = self.separate.get(APART["joint"])
        parts = [self.separate.get(APART[name]) for name in ("input gradient", "weight gradient")]
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
    parts: dict[Part, tuple[LayerRow, ...]]


def layers_of(figures: Sequence[Figure], ceilings: Ceilings) -> tuple[Layers, ...]:
    """The cases whose layers were measured."""
    found = {s: f for s, f in by_subject(figures).items() if (ALL_LAYERS, "whole_time") in f}
    pieces = _by_piece(figures)
    return tuple(
        _layers(subject, of_it, pieces.get(subject, {}), ceilings, list(found))
        for subject, of_it in found.items()
    )


_Pieces = dict[LayerPart, dict[str, Figure]]
"""The figures of each layer in each part of a step, by metric."""


def _by_piece(figures: Sequence[Figure]) -> dict[Subject, _Pieces]:
    found: dict[Subject, _Pieces] = {}
    for figure in figures:
        if figure.layer is not None:
            piece = LayerPart(part_of(figure.phase), figure.layer)
            found.setdefault(subject_of(figure), {}).setdefault(piece, {})[figure.metric] = figure
    return found


def reached_by_layers(found: Sequence[Layers]) -> Iterator[Utilisation]:
    """What every layer reached in every part of the step."""
    for layers in found:
        for rows in layers.parts.values():
            yield from (row.reached for row in rows)


def _layers(
    subject: Subject, figures: Figures, pieces: _Pieces, ceilings: Ceilings, subjects: Sequence[Subject]
) -> Layers:
    parts: dict[Part, list[LayerRow]] = {}
    whole = figures[ALL_LAYERS, "whole_time"].median
    for piece, of_it in pieces.items():
        # of a compiler's kernels some run in a few steps only
        if "layer_time" in of_it and of_it["layer_time"].median > 0:
            parts.setdefault(piece.part, []).append(_row(piece, subject, of_it, whole, ceilings))
    alike = [other for other in subjects if other.case == subject.case]
    told = (
        f" ({machine_text(subject.machine)}: {effective_text(subject.effective)})" if len(alike) > 1 else ""
    )
    told += f" (network {subject.network})" if subject.network else ""
    return Layers(
        subject=subject,
        name=subject.case.id + told,
        together={key: figure for key, figure in figures.items() if key[0] == ALL_LAYERS},
        parts={part: _ordered(rows, parts.get("forward", [])) for part, rows in parts.items()},
    )


def _row(
    piece: LayerPart, subject: Subject, of_it: Mapping[str, Figure], whole: float, ceilings: Ceilings
) -> LayerRow:
    case = subject.case
    dtype = arithmetic_dtype(case, subject.effective)
    values = {metric: figure.median for metric, figure in of_it.items()}
    reached = Utilisation(
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
        separate={metric: values[metric] for metric in APART.values() if metric in values},
    )


def _ordered(rows: Sequence[LayerRow], forward: Sequence[LayerRow]) -> tuple[LayerRow, ...]:
    """Layers in the order of the network, whichever way they ran, and then what is no layer. Kernels of a
    compiler stay in their own order."""
    places = {row.piece.layer: place for place, row in enumerate(forward)}
    if any(row.piece.layer.kind == KERNEL for row in rows):
        places = {row.piece.layer: place for place, row in enumerate(rows)}
    last = len(places)
    return tuple(sorted(rows, key=lambda row: (not row.piece.layer.kind, places.get(row.piece.layer, last))))
