"""The two halves of a layer's backward apart: the gradient of its input and that of its weights.

A convolution: `aten.convolution_backward` once with each output mask, and jointly, as autograd calls it. A
linear layer: its two matrix products, which autograd too computes one after the other. On random tensors of
the shapes, dtypes and memory formats that the network's own backward has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.child.layers.layer_calls import LayerCall
from bench.contracts.device import Device
from bench.contracts.steps import Call
from bench.probes.meta_modules import CONVOLUTIONS
from bench.schema.layer_phases import Layer
from bench.timing.repeats import repeats_of
from bench.timing.timers import DeviceTimer, Timer, WallTimer, host_and_device_seconds, shield_for

INPUT, WEIGHT, JOINT = "input_gradient_time", "weight_gradient_time", "joint_gradient_time"

_LAYER_SECONDS = 1.0
_FEWEST, _MOST = 3, 10
"""Rounds of a layer: as many as fit into its seconds."""
_ALL_SECONDS = 60.0
"""After these no further layer begins."""


class GradientTimes(NamedTuple):
    """Seconds; each sample is the mean of so many repeats."""

    samples: list[float]
    repeats: int


def separate_gradient_times(
    calls: Sequence[LayerCall], device: Device
) -> Iterator[tuple[Layer, dict[str, GradientTimes]]]:
    """For each convolution and linear layer that had a backward: times by metric, in the calls' order.

    A layer without a gradient of its input (the first one) has no INPUT, and its JOINT is that of weight and
    bias. A layer that was called several times is timed over all its calls.
    """
    of_layer: dict[Layer, list[LayerCall]] = {}
    for call in calls:
        if call.gradient is not None and _is_timed(call):
            of_layer.setdefault(call.layer, []).append(call)
    deadline = device.clock() + _ALL_SECONDS
    for layer, several in of_layer.items():
        if device.clock() >= deadline:
            return
        yield layer, _timed(_operators(several, device.torch_name()), device)


def _is_timed(call: LayerCall) -> bool:
    """A convolution that pads with anything but a number of zeros runs more than one operator, and so does
    a layer whose weight is computed or that is given a single image without a batch."""
    module, weight = call.module, call.weight
    if weight is None or not call.inputs or call.inputs[0].dim() < weight.dim():
        return False
    if isinstance(module, CONVOLUTIONS):
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return isinstance(module, nn.Linear)


def _operators(calls: Sequence[LayerCall], where: str) -> dict[str, Call]:
    """By metric, what computes those gradients of all the calls of a layer."""
    single = [
        _linear(call, where) if isinstance(call.module, nn.Linear) else _convolution(call, where)
        for call in calls
    ]

    def all_of(metric: str) -> Call:
        def compute() -> None:
            for operators in single:
                operators[metric]()

        return compute

    return {metric: all_of(metric) for metric in single[0] if all(metric in each for each in single)}


_Operators = Mapping[str, Callable[[], object]]


def _convolution(call: LayerCall, where: str) -> _Operators:
    module, gradient = call.module, call.gradient
    assert isinstance(module, CONVOLUTIONS)
    assert gradient is not None
    # The operands of the operator itself: under autocast the casts stand before it.
    given, weight, back = (
        _random_like(tensor, gradient.dtype, where) for tensor in (call.inputs[0], module.weight, gradient)
    )
    bias = None if module.bias is None else list(module.bias.shape)
    fixed = (bias, module.stride, module.padding, module.dilation, False, (0,) * len(module.stride))

    def operator(*mask: bool) -> Callable[[], object]:
        return lambda: torch.ops.aten.convolution_backward(back, given, weight, *fixed, module.groups, mask)

    to_input, to_weight = call.inputs[0].requires_grad, module.weight.requires_grad
    joint = operator(to_input, to_weight, bias is not None)
    return _asked_for(operator(True, False, False), operator(False, True, False), call) | {JOINT: joint}


def _linear(call: LayerCall, where: str) -> _Operators:
    module, gradient = call.module, call.gradient
    assert isinstance(module, nn.Linear)
    assert gradient is not None
    given, weight, back = (
        _random_like(tensor, gradient.dtype, where) for tensor in (call.inputs[0], module.weight, gradient)
    )
    rows_back, rows_given = back.flatten(0, -2), given.flatten(0, -2)
    return _asked_for(lambda: rows_back @ weight, lambda: rows_back.t() @ rows_given, call)


def _asked_for(
    to_input: Callable[[], object], to_weight: Callable[[], object], call: LayerCall
) -> dict[str, Callable[[], object]]:
    """Those of the two that the network asks for."""
    assert call.weight is not None
    found = {INPUT: to_input} if call.inputs[0].requires_grad else {}
    return found | ({WEIGHT: to_weight} if call.weight.requires_grad else {})


def _random_like(tensor: Tensor, dtype: torch.dtype, where: str) -> Tensor:
    """Standard normal; a gradient that is one number seen everywhere (strides of 0) becomes a tensor."""
    channels_last = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    # what is both (a side of one pixel, a single channel) stays plain
    format_ = torch.channels_last if channels_last and not tensor.is_contiguous() else torch.contiguous_format
    return torch.randn(tensor.shape, device=where).to(dtype=dtype, memory_format=format_)


def _timed(operators: Mapping[str, Call], device: Device) -> dict[str, GradientTimes]:
    """Rounds of all of them one after the other, so that drift falls on all alike."""
    with torch.no_grad():
        for operator in operators.values():  # cuDNN chooses its algorithms, oneDNN makes its kernels
            operator()
        device.synchronise()
        timed = [(operator, *_timer(operator, device)) for operator in operators.values()]

        def one_round() -> list[float]:
            return [timer.time((operator,), _nothing, repeats)[0] for operator, timer, repeats in timed]

        start = device.clock()
        taken = [one_round()]  # tells what a round takes: the first calls took what they do once
        rounds = int(_LAYER_SECONDS / max(device.clock() - start, 1e-6))
        taken += [one_round() for _ in range(max(_FEWEST, min(_MOST, rounds)) - 1)]
    found = zip(operators, zip(*taken, strict=True), timed, strict=True)
    return {metric: GradientTimes(list(samples), repeats) for metric, samples, (_, _, repeats) in found}


def _timer(operator: Call, device: Device) -> tuple[Timer, int]:
    """With the repeats of a sample: more than one where a pair of events would be a part of a short call."""
    queue = device.queue()
    if queue is None:
        return WallTimer(device), 1
    host, seconds = host_and_device_seconds(queue, operator, _nothing, 1)
    return DeviceTimer(queue, shield_for(host, seconds)), repeats_of(seconds, seconds, 0)["device_time"].whole


def _nothing() -> None:
    """Operators need no preparation."""
