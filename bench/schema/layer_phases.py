"""The names of layers' figures in a record: `forward:conv1 (Conv2d 3->64, 11x11/4)`; no torch."""

from __future__ import annotations

import re

from msgspec import Struct

PARTS = ("forward", "backward", "optimizer", "step")
"""The parts of a step that a layer's figures belong to; `step` where they cannot be told apart."""
ALL_LAYERS = "layers"
"""The phase of what belongs to all layers together: their sum, and the whole step beside it."""
KERNEL = "kernel"
"""The kind of what a compiler made of several layers, under its own name."""

_PHASE = re.compile(rf"(?P<part>{'|'.join(PARTS)}):(?P<name>.+?)(?: \((?P<kind>.*)\))?")


class Layer(Struct, frozen=True):
    """A module without children, by its name in the network; or a piece of a step that no layer owns, whose
    kind is empty."""

    name: str
    kind: str = ""


BETWEEN = Layer("between layers")
LOSS = Layer("loss")
UPDATE = Layer("update")


class LayerPart(Struct, frozen=True):
    """What a layer does in one of the PARTS of a step."""

    part: str
    layer: Layer

    @property
    def phase(self) -> str:
        """As a record names it; `layer_part_of` reads it back."""
        kind = f" ({self.layer.kind})" if self.layer.kind else ""
        return f"{self.part}:{self.layer.name}{kind}"


def layer_part_of(phase: str) -> LayerPart | None:
    """The piece that a phase of a record names, or None for a phase of the whole network."""
    read = _PHASE.fullmatch(phase)
    return LayerPart(read["part"], Layer(read["name"], read["kind"] or "")) if read else None


def is_of_layers(phase: str) -> bool:
    """Whether a phase belongs to the layers' measurement and not to the case's own."""
    return phase == ALL_LAYERS or layer_part_of(phase) is not None
