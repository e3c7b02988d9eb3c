"""What each layer is given and gives in one real step, and what that costs in closed form.

Tensors are kept as `meta` tensors: shape, dtype and memory format without the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.child.layers.layer_kinds import layers_of
from bench.probes.meta_modules import CONVOLUTIONS, TRANSPOSED
from bench.schema.layer_phases import Layer


@dataclass(eq=False)
class LayerCall:
    """One call of a layer.

    inputs    with `requires_grad` as it was
    moves     False where the output is the input itself or a view of it
    gradient  what came back to the output in backward; None where none was asked for
    """

    layer: Layer
    module: nn.Module
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...] = ()
    moves: bool = True
    gradient: Tensor | None = None

    @property
    def weight(self) -> Tensor | None:
        """Of a layer whose arithmetic is counted: a convolution or a linear layer."""
        if isinstance(self.module, (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)):
            return self.module.weight
        return None


def calls_in(module: nn.Module, run: Callable[[], None]) -> list[LayerCall]:
    """The calls of the module's layers while `run` runs, in their order."""
    calls: list[LayerCall] = []
    with ExitStack() as hooks:
        for layer, part in layers_of(module):
            watched = _Watched(layer, part, calls)
            hooks.callback(part.register_forward_pre_hook(watched.before).remove)
            hooks.callback(part.register_forward_hook(watched.after).remove)
        run()
    return calls


class _Watched:
    """The hooks of one layer."""

    def __init__(self, layer: Layer, part: nn.Module, calls: list[LayerCall]) -> None:
        self._layer = layer
        self._part = part
        self._calls = calls
        self._versions: dict[int, int] = {}

    def before(self, _: nn.Module, inputs: Any) -> None:
        given = _tensors(inputs)
        self._versions = {tensor.untyped_storage().data_ptr(): tensor._version for tensor in given}
        self._calls.append(LayerCall(self._layer, self._part, tuple(map(_without_data, given))))

    def after(self, _: nn.Module, inputs: Any, output: Any) -> None:
        made = _tensors(output)
        call = next(call for call in reversed(self._calls) if call.module is self._part)
        call.outputs = tuple(map(_without_data, made))
        # In place the version moves on; a view, or the input handed through, has the input's.
        call.moves = any(
            self._versions.get(tensor.untyped_storage().data_ptr()) != tensor._version for tensor in made
        )

        def arrived(gradients: Sequence[Tensor | None]) -> None:
            if gradients and gradients[0] is not None:
                call.gradient = _without_data(gradients[0])

        if made and made[0].grad_fn is not None:
            made[0].grad_fn.register_prehook(arrived)


def forward_flops(call: LayerCall) -> int | None:
    """2 x MACs of a convolution or a linear layer, biases left out; None for what is not counted:
    docs/method.md, "FLOPs and MACs"."""
    if call.weight is None:
        return None
    return 2 * _macs(call, call.weight)


def backward_flops(call: LayerCall) -> int | None:
    """As much as forward for each gradient that is asked for, of the weight and of the input."""
    if call.weight is None:
        return None
    return 2 * _macs(call, call.weight) * (call.weight.requires_grad + _needs_input_gradient(call))


def forward_bytes(call: LayerCall) -> int:
    """Inputs and weights read, outputs written, each once: the least that must move. Nothing for a view."""
    if not call.moves:
        return 0
    return _bytes(call.inputs) + _weight_bytes(call) + _bytes(call.outputs)


def backward_bytes(call: LayerCall) -> int:
    """The gradient of the output, the input and the weights read, and the gradients asked for written."""
    gradients = (*(p for p in call.module.parameters() if p.requires_grad), *_differentiated(call))
    if not call.moves or not gradients:
        return 0
    weights = call.module.parameters() if _needs_input_gradient(call) else ()
    return _bytes(call.outputs) + _bytes(call.inputs) + _bytes(weights) + _bytes(gradients)


def _weight_bytes(call: LayerCall) -> int:
    """As they are stored; where gradients are off, autocast keeps its copies from one step to the next, and
    only these are read."""
    weight, result = call.weight, call.outputs[0]
    if weight is None or result.requires_grad or not weight.requires_grad:
        return _bytes(call.module.parameters())
    return sum(each.numel() * result.element_size() for each in call.module.parameters())


def _macs(call: LayerCall, weight: Tensor) -> int:
    """Every output of a convolution, or input of a transposed one, meets the weights of one filter."""
    swept = call.inputs if isinstance(call.module, TRANSPOSED) else call.outputs
    elements = swept[0].numel()
    return elements * (weight.shape[1] if isinstance(call.module, nn.Linear) else weight[0].numel())


def _differentiated(call: LayerCall) -> Iterator[Tensor]:
    return (tensor for tensor in call.inputs if tensor.requires_grad)


def _needs_input_gradient(call: LayerCall) -> bool:
    return next(_differentiated(call), None) is not None


def _bytes(tensors: Any) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _without_data(tensor: Tensor) -> Tensor:
    """On `meta`: the same shape, dtype and, of a dense tensor, strides."""
    empty = torch.empty_like(tensor, device="meta", requires_grad=False)
    return empty.requires_grad_(tensor.requires_grad and tensor.is_floating_point())
