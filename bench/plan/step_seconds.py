"""How long a step takes by its layers: each as long as its FLOPs or its bytes need; no torch."""

from __future__ import annotations

import functools
import math

from msgspec import Struct

from bench.contracts.costs import Costs
from bench.schema.case import ARITHMETIC, Case
from models import catalogue, closed_form

_BYTES_OF_UPDATE = 20
"""Of a parameter: SGD with momentum reads it, its gradient and its momentum, and writes two of them; fp32."""
_BACKWARD_BYTES = 7
"""Times what forward moves: both gradients read it, and new memory for the weights' gradients is written."""
_UNKNOWN_LAYERS, _UNKNOWN_FLOPS, _UNKNOWN_PARAMETERS = 20, 1e10, 2e7
"""Of a network that is not ours, whose cost is known only when it runs: about VGG-11's convolutions."""


class LayerWork(Struct, frozen=True, kw_only=True):
    """What a layer that has parameters does for one image; bytes in fp32."""

    parameters: float
    activations: float
    flops_forward: float
    flops_backward: float


def step_seconds(case: Case, costs: Costs, cores: float) -> float:
    """One step of a case, warm, on `cores` of the host or on another device (1)."""
    arithmetic = ARITHMETIC[case.precision]
    rate = costs.flops_per_second[arithmetic] * cores
    width = 4 if arithmetic in ("fp32", "tf32") else 2
    seconds = 0.0
    work = layers_of(case.model, case.channels, case.image, case.classes)
    for layer in work:
        moved = width * (layer.parameters + case.batch * layer.activations)
        seconds += _pass(case.batch * layer.flops_forward, moved, rate, costs)
        if case.workload != "inference":
            seconds += _pass(case.batch * layer.flops_backward, _BACKWARD_BYTES * moved, rate, costs)
    if case.workload != "inference":
        parameters = sum(layer.parameters for layer in work)
        seconds += len(work) * costs.layer_seconds + parameters * _BYTES_OF_UPDATE / costs.bytes_per_second
    return seconds


def _pass(flops: float, moved: float, rate: float, costs: Costs) -> float:
    return max(flops / rate, moved / costs.bytes_per_second, costs.layer_seconds)


@functools.cache
def layers_of(model: str, channels: int, image: int, classes: int) -> tuple[LayerWork, ...]:
    """The layers with parameters. Kept: a plan of thousands of cases has few different networks."""
    arch = catalogue.arch_of(model)
    if arch is None:
        layer = LayerWork(
            parameters=_UNKNOWN_PARAMETERS / _UNKNOWN_LAYERS,
            activations=1e5,
            flops_forward=_UNKNOWN_FLOPS / _UNKNOWN_LAYERS,
            flops_backward=2 * _UNKNOWN_FLOPS / _UNKNOWN_LAYERS,
        )
        return (layer,) * _UNKNOWN_LAYERS
    found = closed_form.cost(arch, channels=channels, image=image, classes=classes).layers
    return tuple(
        LayerWork(
            parameters=layer.parameters,
            activations=math.prod(layer.output_shape),
            flops_forward=layer.flops_forward,
            flops_backward=layer.flops_backward,
        )
        for layer in found
        if layer.parameters
    )
