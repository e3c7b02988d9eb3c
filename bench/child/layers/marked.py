"""A step of uncompiled code cut into pieces by marks: the time from one mark to the next is one layer's.

The pieces are a partition, so that they add up to the marked step by construction; what the marks cost shows
in the gap to the step without them.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

from torch import nn

from bench.child.layers.layer_kinds import layers_of
from bench.child.layers.watched_forwards import ForwardWatch, watched_forwards
from bench.contracts.device import Device
from bench.contracts.steps import Steps
from bench.schema.layer_phases import BETWEEN, LOSS, UPDATE, Layer, LayerPart, Part, part_of
from bench.timing.timers import Shield, host_and_device_seconds, shield_for

_TRIALS = 3
"""Marked steps, by whose medians the shield is chosen."""
_FIRST = {
    "forward": LayerPart("forward", BETWEEN),
    "backward": LayerPart("backward", LOSS),
    "optimizer": LayerPart("optimizer", UPDATE),
}
"""To what the time belongs from the beginning of a phase to the first mark inside it."""


class Marks:
    """Instants of one step: the host's clock, or events where the device works behind the host's back."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._queue = device.queue()
        self._marks: list[tuple[LayerPart | None, Any]] = []
        self.piece: LayerPart | None = None

    def begin(self, piece: LayerPart | None) -> None:
        """From here on the time belongs to `piece`, or to nothing that is counted."""
        self.piece = piece
        self._marks.append((piece, self._now()))

    def seconds(self) -> dict[LayerPart, float]:
        """End the step; the seconds of each piece, several stretches of one added up."""
        end = self._now()
        self._device.synchronise()
        instants = [*(instant for _, instant in self._marks), end]
        found: dict[LayerPart, float] = {}
        for (piece, _), (start, stop) in zip(self._marks, itertools.pairwise(instants), strict=True):
            if piece is None:
                continue
            elapsed = stop - start if self._queue is None else self._queue.elapsed(start, stop)
            found[piece] = found.get(piece, 0.0) + elapsed
        return found

    def _now(self) -> Any:
        return self._device.clock() if self._queue is None else self._queue.record()


class MarkedSteps:
    """Steps of a case whose module is called as it is, timed by layer."""

    def __init__(
        self, module: nn.Module, steps: Steps, device: Device, computing: Collection[nn.Module] = ()
    ) -> None:
        """Modules with children that are `computing` are layers too."""
        self._module = module
        self._layers = {part: layer for layer, part in layers_of(module, computing)}
        self._steps = steps
        self._device = device
        self._phases = steps.phases or ((steps.whole_phase, steps.step),)
        # The device must not wait for Python between two marks, as in `bench.timing.timers.DeviceTimer`.
        self.shield = Shield()
        queue = device.queue()
        if queue is not None:
            steps.setup()
            self._unmeasured()
            self.shield = shield_for(*host_and_device_seconds(queue, self._unmeasured, steps.setup, _TRIALS))

    def time(self) -> dict[LayerPart, float]:
        """One step: the seconds of every layer and of what stands between them, in the order of their
        beginnings."""
        marks = Marks(self._device)
        self._steps.setup()
        self._device.synchronise()
        for _ in range(self.shield.rounds):
            self._unmeasured()
            self._steps.setup()
        queue = self._device.queue()
        if queue is not None and self.shield.spin_seconds > 0:
            queue.occupy(self.shield.spin_seconds)
        self._run(marks)
        return marks.seconds()

    def _unmeasured(self) -> None:
        """With marks too: the host takes as long for it as for the step that is measured."""
        self._run(Marks(self._device))

    def _run(self, marks: Marks) -> None:
        marking = _Marking(marks, self._module, self._layers, trains=len(self._phases) > 1)
        with watched_forwards({self._module, *self._layers}, marking.around):
            for phase, call in self._phases:
                marking.part = part_of(phase)
                marks.begin(_FIRST[phase])
                call()


class _Marking(ForwardWatch[Layer]):
    """Marks where each layer begins and ends in forward, and where its nodes begin in backward.

    What is computed between two layers (an addition, a concatenation) belongs in backward to the layer after
    it, whose node was the last to begin. A layer without a node of its own (dropout in eval mode) has no
    backward. A layer that runs again in backward takes its time there.
    """

    def __init__(
        self, marks: Marks, whole: nn.Module, layers: Mapping[nn.Module, Layer], *, trains: bool
    ) -> None:
        super().__init__()
        self.part: Part = "forward"
        self._marks, self._whole, self._layers, self._trains = marks, whole, layers, trains
        self._before: list[LayerPart | None] = []

    def enter(self, part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Layer | None:
        layer = self._layers.get(part)
        self._before.append(self._marks.piece)
        if layer is not None:
            self._marks.begin(LayerPart(self.part, layer))
        return layer

    def leave(self, part: nn.Module, owner: Layer | None) -> None:
        before = self._before.pop()
        if part is self._whole and self.part == "forward" and self._trains:
            self._marks.begin(LayerPart("forward", LOSS))
        elif owner is not None:
            self._marks.begin(before)

    def follow(self, outputs: Any) -> None:
        piece = self._marks.piece
        self._marks.begin(None)  # no part of a step that is not watched
        super().follow(outputs)
        self._marks.begin(piece)

    def node_runs(self, owner: Layer) -> None:
        piece = LayerPart(self.part, owner)
        if piece != self._marks.piece:
            self._marks.begin(piece)
