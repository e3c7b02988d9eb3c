"""Which kinds of layers fill a step, and what it would save if each layer ran at the nearer limit; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from bench import devices
from bench.schema.layer_phases import ALL_LAYERS, BETWEEN, KERNEL, LOSS, UPDATE, Layer
from reports.analysis.layer_shares import LayerRow, Layers
from reports.summary.figures import Figure

Limit = Literal["compute", "memory"]
KINDS = {
    r"(Lazy)?Conv": "convolution",
    r"(Adaptive)?MaxPool": "max pooling",
    r"(Adaptive)?AvgPool": "average pooling",
    r"(Lazy)?Linear": "linear",
    r"\w*Norm": "normalization",
    r"\w*Dropout": "dropout",
}
"""What the name of a class begins with -> what a reader calls it; any other class keeps its name."""
_NO_LAYER = {BETWEEN: "outside layers", LOSS: "loss", UPDATE: "optimizer"}
MOST_GAP = 0.05
"""By this share of the step the sum of the layers may differ from it before a report says so first."""


class Headroom(Struct, frozen=True, kw_only=True):
    """One layer, over all parts of the step.

    times          of its parts, in seconds
    seconds        of one step
    share          of the whole step's time
    known_seconds  of the parts whose limit is known
    limit_seconds  that these parts would take at the nearer of peak compute and peak bandwidth
    limit          the nearer limit of the part with the most of `limit_seconds`; None where no part has one
    """

    layer: Layer
    times: tuple[Figure, ...]
    seconds: float
    share: float
    known_seconds: float
    limit_seconds: float
    limit: Limit | None

    @property
    def saved_seconds(self) -> float:
        """What reaching the limit would save; 0 where the layer is there, or has no known limit."""
        return max(0.0, self.known_seconds - self.limit_seconds)

    @property
    def share_of_limit(self) -> float | None:
        """How much of the limit is reached: above 1 where caches spare the memory."""
        return self.limit_seconds / self.known_seconds if self.limit is not None else None


def headrooms(found: Layers) -> list[Headroom]:
    """Every layer: what would save the most first, and where no limit is known the longest. What is no layer
    is left out."""
    every = [headroom(rows) for layer, rows in by_layer(found).items() if layer.kind]
    return sorted(every, key=lambda each: (each.saved_seconds, each.seconds), reverse=True)


def by_layer(found: Layers) -> dict[Layer, list[LayerRow]]:
    """The rows of each layer over all parts of the step, in the order of the first part."""
    rows: dict[Layer, list[LayerRow]] = {}
    for row in (row for part in found.parts.values() for row in part):
        rows.setdefault(row.piece.layer, []).append(row)
    return rows


def headroom(rows: Sequence[LayerRow]) -> Headroom:
    """Of the rows of one layer, at least one."""
    limits = [(row.seconds, *limit) for row in rows if (limit := limit_of(row)) is not None]
    return Headroom(
        layer=rows[0].piece.layer,
        times=tuple(row.reached.time for row in rows),
        seconds=sum(row.seconds for row in rows),
        share=sum(row.share for row in rows),
        known_seconds=sum(seconds for seconds, _, _ in limits),
        limit_seconds=sum(at_limit for _, at_limit, _ in limits),
        limit=max(limits, key=lambda each: each[1])[2] if limits else None,
    )


def limit_of(row: LayerRow) -> tuple[float, Limit] | None:
    """The seconds that a layer would take at the nearer limit, and which that is; None where neither is
    known."""
    shares: list[tuple[float, Limit]] = []
    if row.reached.utilisation is not None:
        shares.append((row.reached.utilisation.value, "compute"))
    if row.reached.bandwidth_share is not None:
        shares.append((row.reached.bandwidth_share.value, "memory"))
    if not shares:
        return None
    share, limit = max(shares, key=lambda each: each[0])
    return share * row.seconds, limit


def kind_shares(found: Layers) -> dict[str, float]:
    """The share of the step's time that each kind of layer takes, largest first."""
    shares: dict[str, float] = {}
    for row in (row for rows in found.parts.values() for row in rows):
        kind = kind_of(row.piece.layer)
        shares[kind] = shares.get(kind, 0.0) + row.share
    return dict(sorted(shares.items(), key=lambda each: each[1], reverse=True))


def kind_of(layer: Layer) -> str:
    """`convolution` of `Conv2d 3->64, 11x11/4`."""
    if layer.kind == KERNEL:
        return "fused kernels"
    if not layer.kind:
        return _NO_LAYER.get(layer, layer.name)
    name = layer.kind.split()[0]
    return next((words for begin, words in KINDS.items() if re.match(begin, name)), name)


class Gap(Struct, frozen=True, kw_only=True):
    """The sum of the layers' times against a step that was not taken to pieces, in seconds.

    least  by which share of the step they differ at least, with a sign: beyond both intervals
    """

    added: float
    whole: float
    least: float

    @property
    def share(self) -> float:
        """Of the step: above 0 where the sum is longer."""
        return self.added / self.whole - 1

    @property
    def is_beyond(self) -> bool:
        """Whether they differ by more than measuring costs."""
        return abs(self.least) > MOST_GAP


def gap_of(found: Layers) -> Gap:
    """What the tables of one case add up to, beside its step; no gap where they have no rows."""
    rows = [row for of_part in found.parts.values() for row in of_part]
    whole = found.together[ALL_LAYERS, "whole_time"]
    if not rows:
        return Gap(added=whole.median, whole=whole.median, least=0.0)
    added = sum(row.seconds for row in rows)
    unsure = math.sqrt(sum(_half(row.reached.time) ** 2 for row in rows)) + _half(whole)
    least = max(0.0, abs(added - whole.median) - unsure) / whole.median
    signed = math.copysign(least, added - whole.median)
    return Gap(
        added=added,
        whole=whole.median,
        least=0.0 if signed < 0 and idles_between_kernels(found) else signed,
    )


def idles_between_kernels(found: Layers) -> bool:
    """Whether the step may be longer than its parts: a GPU stands idle between the kernels of a graph or of a
    compiler."""
    kernels = (row.piece.layer.kind == KERNEL for rows in found.parts.values() for row in rows)
    return any(kernels) and not devices.traits(found.subject.case.device).is_host


def _half(figure: Figure) -> float:
    """Half the width of its interval; 0 without one."""
    return (figure.interval.high - figure.interval.low) / 2 if figure.interval else 0.0
