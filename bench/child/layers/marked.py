"""A step of uncompiled code cut into pieces by marks: the time from one mark to the next is one layer's.

The pieces are a partition, so that they add up to the marked step by construction; what the marks cost shows
in the gap to the step without them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.child.layers.layer_kinds import layers_of
from bench.contracts.device import Device
from bench.contracts.steps import Steps
from bench.schema.layer_phases import BETWEEN, LOSS, UPDATE, Layer, LayerPart
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
        self._marks: list[tuple[LayerPart, Any]] = []

    def begin(self, piece: LayerPart) -> None:
        """From here on the time belongs to `piece`."""
        self._marks.append((piece, self._now()))

    def seconds(self) -> dict[LayerPart, float]:
        """End the step; the seconds of each piece, several stretches of one added up."""
        end = self._now()
        self._device.synchronise()
        instants = [*(instant for _, instant in self._marks), end]
        found: dict[LayerPart, float] = {}
        for (piece, _), (start, stop) in zip(self._marks, itertools.pairwise(instants), strict=True):
            elapsed = stop - start if self._queue is None else self._queue.elapsed(start, stop)
            found[piece] = found.get(piece, 0.0) + elapsed
        return found

    def _now(self) -> Any:
        return self._device.clock() if self._queue is None else self._queue.record()


class MarkedSteps:
    """Steps of a case whose module is called as it is, timed by layer."""

    def __init__(self, module: nn.Module, steps: Steps, device: Device) -> None:
        self._module = module
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
        with _marking(self._module, marks):
            for phase, call in self._phases:
                marks.begin(_FIRST[phase])
                call()


@contextmanager
def _marking(module: nn.Module, marks: Marks) -> Iterator[None]:
    """Mark where each layer begins and ends in forward, and where it begins in backward.

    Backward: the last operator of a layer is a node of autograd's graph, and the first of the layer's nodes
    to run. What is computed between two layers (an addition, a concatenation) belongs there to the layer
    after it, whose node was the last to begin. A layer without a node of its own (a view, or dropout in
    eval mode) has no backward.
    """
    with ExitStack() as hooks:
        for layer, part in layers_of(module):
            hooks.enter_context(_marked(part, layer, marks))
        if module.training:
            whole = module.register_forward_hook(lambda *_: marks.begin(LayerPart("forward", LOSS)))
            hooks.callback(whole.remove)
        yield


@contextmanager
def _marked(part: nn.Module, layer: Layer, marks: Marks) -> Iterator[None]:
    forward, backward = LayerPart("forward", layer), LayerPart("backward", layer)
    given: set[Any] = set()

    def before(_: nn.Module, inputs: Any) -> None:
        given.update(_nodes(inputs))
        marks.begin(forward)

    def after(_: nn.Module, inputs: Any, output: Any) -> None:
        marks.begin(LayerPart("forward", BETWEEN))
        for node in _nodes(output) - given:
            node.register_prehook(lambda gradients: marks.begin(backward))
        given.clear()

    handles = part.register_forward_pre_hook(before), part.register_forward_hook(after)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _nodes(tensors: Any) -> set[torch.autograd.graph.Node]:
    """The nodes of autograd's graph that made these tensors."""
    leaves = (leaf for leaf in tree_leaves(tensors) if isinstance(leaf, Tensor))
    return {leaf.grad_fn for leaf in leaves if leaf.grad_fn is not None}
