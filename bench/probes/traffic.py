"""Bytes that the operators of a step move at least, summed over a step that touches no data.

Every operator reads its tensors once and writes its results once; a view moves nothing. So this is what
uncompiled code moves where nothing stays in a cache from one operator to the next. Caches move less, and so
do fused kernels, which keep what lies between two operators in registers: against it, more than 100% of a
bandwidth is possible. Operators that read a tensor more than once (a convolution that unfolds its input)
move more. A weight that autocast casts at every step counts in every step (training), and not where the
copy is kept from one step to the next (inference).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.outputs.network_loss import loss_for
from bench.probes.meta_modules import with_likenesses
from bench.probes.operator_mode import OperatorMode
from bench.schema.case import Precision
from bench.schema.phases import Phase
from bench.tensors import autocast
from models.network import Arguments

aten = torch.ops.aten

ALLOCATIONS = (aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_empty_strided)
"""They make a tensor and write nothing."""
OPTIMIZER_PASSES = 5
"""SGD with momentum reads the weight, its gradient and its momentum, and writes the weight and its momentum:
what a fused optimizer moves."""


class TrafficCounter(OperatorMode):
    """Adds up in `bytes` what the operators move while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def operator(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        if func.overloadpacket not in ALLOCATIONS:
            self.bytes += _moved(func, (args, kwargs), result)
        return result


def _moved(func: Any, given: Any, result: Any) -> int:
    """What is read and what is written, each tensor once; 0 for a view, all of which was there before."""
    read, written = _tensors(given), _tensors(result)
    if is_view(func, read, written):
        return 0
    return _bytes(read) + _bytes(written)


def is_view(func: Any, read: Iterable[Tensor], written: Iterable[Tensor]) -> bool:
    """Whether an operator, given its tensors and its results, writes nothing."""
    storages = {each.untyped_storage()._cdata for each in read}
    return not func._schema.is_mutable and all(each.untyped_storage()._cdata in storages for each in written)


def part_key(tensor: Tensor) -> tuple[object, ...]:
    """What tells tensors apart: two parts of one storage are two, the same part twice is one."""
    return tensor.untyped_storage()._cdata, tensor.storage_offset(), tensor.shape


def tensor_bytes(tensor: Tensor) -> int:
    """An expanded tensor is no larger than what it expands."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def _tensors(nested: Any) -> list[Tensor]:
    """Dense ones: others have no storage of their own."""
    leaves = (each for each in tree_leaves(nested) if isinstance(each, Tensor))
    return [each for each in leaves if each.layout is torch.strided]


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum({part_key(each): tensor_bytes(each) for each in tensors}.values())


def step_bytes(
    module: nn.Module,
    arguments: Arguments,
    *,
    training: bool,
    precision: Precision = "fp32",
    input_gradient: bool = False,
    classes: int = 1000,
) -> dict[Phase, int]:
    """Bytes by phase of one step on the arguments: `forward`, and of training `backward` and `optimizer`.

    The module's weights are those of the precision already. Training ends in the loss of a case of so many
    `classes`; with `input_gradient` it has none, and its backward begins at a gradient of the output and
    reaches the inputs. Touches neither the module nor its device unless it must run itself, where it looks at
    values; raises what it raises then.
    """

    def count(each: nn.Module, given: Arguments) -> dict[Phase, int]:
        if training:
            return _training(each, given, precision, input_gradient, classes)
        return {"forward": _inference(each, given, precision)}

    return with_likenesses(module, arguments, count, training=training)


def _inference(module: nn.Module, arguments: Arguments, precision: Precision) -> int:
    """The second of two forwards: autocast has kept its copies of the weights from the first."""
    counter = TrafficCounter()
    with torch.no_grad(), autocast(precision, arguments.tensors()[0].device.type):
        arguments.call(module)
        with counter:
            arguments.call(module)
    return counter.bytes


def _training(
    module: nn.Module, arguments: Arguments, precision: Precision, input_gradient: bool, classes: int
) -> dict[Phase, int]:
    if input_gradient:
        for each in arguments.tensors():
            each.requires_grad_()
    forward, backward = TrafficCounter(), TrafficCounter()
    device = arguments.tensors()[0].device
    with forward, autocast(precision, device.type):
        output = arguments.call(module)
    if not input_gradient:
        loss = loss_for(output, classes)
        with forward, autocast(precision, device.type):
            output = loss.of(output)
    gradient = torch.ones_like(output)
    with backward:
        output.backward(gradient)
    # a weight that backward does not reach is none of the optimizer's
    trained = {id(each): each for each in module.parameters() if each.grad is not None}
    optimizer = OPTIMIZER_PASSES * sum(map(tensor_bytes, trained.values()))
    return {"forward": forward.bytes, "backward": backward.bytes, "optimizer": optimizer}
