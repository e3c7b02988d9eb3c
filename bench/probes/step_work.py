"""The work of one call of a network, and of one step of a case, on copies without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.outputs.main_output import main_output
from bench.outputs.network_loss import loss_for
from bench.probes.meta_modules import with_likenesses, with_shapes_only
from bench.probes.operator_work import StepWork, WorkCounter, watching
from models.errors import UserError
from models.network import Arguments


def call_work(module: nn.Module, arguments: Arguments) -> StepWork:
    """One call in eval mode, and the backward of its main output to whatever takes a gradient."""
    return with_shapes_only(module, arguments, lambda each, given: counted_call(each, given, _main))


def step_work(
    module: nn.Module, arguments: Arguments, *, training: bool, classes: int, input_gradient: bool = False
) -> StepWork:
    """One step: a call in eval mode, or in training the call, its loss and the backward.

    With `input_gradient` there is no loss: the backward begins at the output and reaches the inputs. Touches
    neither the module nor its device unless it must run itself; raises what it raises then.
    """

    def count(each: nn.Module, given: Arguments) -> StepWork:
        if not training:
            return counted_call(each, given)
        if input_gradient:
            return counted_call(each, given.each(_differentiated), _main)
        return counted_call(each, given, lambda outputs: loss_for(outputs, classes).of(outputs))

    work = with_shapes_only(module, arguments, count, training=training)
    if training and work.macs("forward", "attention"):
        # Which kernel runs, and whether it computes a product again in backward, the device decides.
        return with_likenesses(module, arguments, count, training=training)
    return work


def counted_call(
    module: nn.Module, arguments: Arguments, end: Callable[[Any], Tensor | None] | None = None
) -> StepWork:
    """A call of the module as it is and, where an `end` of its outputs has gradients, its backward."""
    counter = WorkCounter(arguments.tensors())
    with torch.set_grad_enabled(end is not None), watching(module, counter):
        outputs = arguments.call(module)
        last = None if end is None else end(outputs)
        counter.phase = "backward"
        if last is not None and last.requires_grad:
            torch.autograd.backward([last], [torch.ones_like(last)])
    return counter.work()


def _main(outputs: Any) -> Tensor | None:
    try:
        return main_output(outputs).tensor
    except UserError:  # nothing in it has a gradient
        return None


def _differentiated(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_(tensor.is_floating_point())
