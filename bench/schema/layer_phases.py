"""Layers, and the parts of a step that their figures belong to; no torch."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bench.schema.phases import Phase

Part = Literal["forward", "backward", "optimizer", "step"]
PARTS: tuple[Part, ...] = ("forward", "backward", "optimizer", "step")
"""The parts of a step that a layer's figures belong to; `step` where they cannot be told apart."""
ALL_LAYERS: Literal["layers"] = "layers"
"""The phase of what belongs to all layers together: their sum, and the whole step beside it."""
KERNEL = "kernel"
"""The kind of what a compiler made of several layers, under its own name."""


class Layer(Struct, frozen=True, omit_defaults=True):
    """A module without children, by its name in the network (`conv1`, `Conv2d 3->64, 11x11/4`); or a piece of
    a step that no layer owns, whose kind is empty."""

    name: str
    kind: str = ""


BETWEEN = Layer("between layers")
LOSS = Layer("loss")
UPDATE = Layer("update")


def part_of(phase: Phase) -> Part:
    """The part that a phase of a step is. Raises ValueError for what is none."""
    return PARTS[PARTS.index(phase)]


class LayerPart(Struct, frozen=True):
    """What a layer does in one of the PARTS of a step."""

    part: Part
    layer: Layer
