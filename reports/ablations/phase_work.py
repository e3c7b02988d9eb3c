"""What a timed case must do in closed form: FLOPs, and the bytes that it moves at least; no torch.

The bytes are those of each operator taken alone: it reads its inputs and weights once and writes its outputs
once. Caches may save some of them between two operators, and an algorithm may move more.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bench.schema.case import Case, Precision
from models import catalogue
from models.blocks import is_block
from models.closed_form import Cost, LayerCost, cost

ACTIVATION_BYTES: Mapping[Precision, int] = {
    "fp32": 4,
    "tf32": 4,
    "amp-bf16": 2,
    "amp-fp16": 2,
    "bf16": 2,
    "fp16": 2,
}
"""Of an element of an activation, as convolutions and linear layers give it."""
WEIGHT_BYTES: Mapping[Precision, int] = {**dict.fromkeys(ACTIVATION_BYTES, 4), "bf16": 2, "fp16": 2}
"""Of an element of a weight, its gradient and its momentum."""
OPTIMIZER_PASSES = 5
"""Stochastic gradient descent with momentum reads weight, gradient and momentum, and writes two of them."""
WEIGHTED = ("conv", "linear")


class PhaseWork(Struct, frozen=True, kw_only=True):
    """What one phase of a step does at least, for the whole batch."""

    flops: int
    bytes: int


class CaseWork(Struct, frozen=True, kw_only=True):
    """The closed form of a case.

    flops_forward      of one image
    activation_bytes   outputs of the convolutions and linear layers, for the whole batch
    work               by phase; the whole step among them. Empty of backward for inference
    """

    parameters: int
    flops_forward: int
    activation_bytes: int
    work: Mapping[str, PhaseWork]


def case_work(case: Case) -> CaseWork:
    """The closed form of a case whose model is one of ours; ValueError for another."""
    arch = catalogue.arch_of(case.model)
    if arch is None:
        raise ValueError(f"no closed form of {case.model}")
    total = cost(arch, channels=case.channels, image=case.image, classes=case.classes, batch=case.batch)
    # A block continues to the gradient of its input, as it would inside a network.
    backward = 2 * total.flops_forward if is_block(case.model) else total.flops_backward
    forward_bytes, backward_bytes = _bytes(total, case)
    optimizer = PhaseWork(flops=0, bytes=OPTIMIZER_PASSES * WEIGHT_BYTES[case.precision] * total.parameters)
    work = {"forward": PhaseWork(flops=total.flops_forward, bytes=forward_bytes)}
    if case.workload != "inference":
        work |= {"backward": PhaseWork(flops=backward, bytes=backward_bytes), "optimizer": optimizer}
        work["step"] = PhaseWork(
            flops=sum(part.flops for part in work.values()), bytes=sum(part.bytes for part in work.values())
        )
    return CaseWork(
        parameters=total.parameters,
        flops_forward=total.flops_forward // case.batch,
        activation_bytes=ACTIVATION_BYTES[case.precision] * total.activations,
        work=work,
    )


def _bytes(total: Cost, case: Case) -> tuple[int, int]:
    """Forward and backward."""
    given = case.batch * case.channels * case.image**2
    needs_input_gradient = is_block(case.model)
    forward = backward = 0
    for layer in total.layers:
        once, again = _layer_bytes(layer, given, case.precision, needs_input_gradient)
        forward, backward = forward + once, backward + again
        given = layer.activations
        needs_input_gradient = needs_input_gradient or layer.parameters > 0
    return forward, backward


def _layer_bytes(layer: LayerCost, given: int, precision: Precision, to_input: bool) -> tuple[int, int]:
    """Of one layer with `given` input elements; `to_input` says whether its input has a gradient."""
    activation = ACTIVATION_BYTES[precision]
    weights = min(activation, WEIGHT_BYTES[precision]) * layer.parameters
    taken, left = activation * given, activation * layer.activations
    if layer.kind == "flatten":
        return 0, 0
    if layer.kind in WEIGHTED:
        of_weight = taken + left + weights
        return taken + weights + left, of_weight + (left + weights + taken if to_input else 0)
    # element by element and pooling: backward reads the gradient and what was kept, and writes the gradient
    return taken + left, 2 * taken + left if to_input else 0
