"""The steps of a module of the caller's: forward alone, or forward with a loss, backward and SGD."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils._pytree import tree_flatten

from bench.contracts.steps import Steps
from bench.schema.case import Precision, Workload
from bench.schema.case_warnings import CaseWarning
from bench.tensors import POLICIES, LossScaler, autocast
from bench.workloads.training import LEARNING_RATE, MOMENTUM
from models.errors import UserError

_LOSS_WANTED = "give loss=, a function from the outputs to one number"


@dataclass(frozen=True)
class LiveModule:
    """What is measured: a module, the arguments of its call, and for training how the loss is made.

    loss     from the outputs (and `targets`, where there are any) to one number; None is cross-entropy
    targets  what the loss compares the outputs with; None: random labels
    """

    module: torch.nn.Module
    arguments: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)
    workload: Workload = "inference"
    precision: Precision = "fp32"
    engine: str = "eager"
    loss: Callable[..., Any] | None = None
    targets: Any = None


def inference_steps(module: torch.nn.Module, call: Callable[[], Any]) -> Steps:
    """The forward pass in eval mode. Raises UserError where it gives no tensor."""
    module.eval()
    outputs = call()
    if not any(torch.is_tensor(leaf) for leaf in _leaves(outputs)):
        raise UserError(
            f"{type(module).__name__} returns {type(outputs).__name__} and no tensor: what is measured gives "
            "a tensor, or a tuple, list or dict of some"
        )
    return Steps(
        setup=lambda: None,
        step=call,
        whole_phase="forward",
        phases=(),
        synchronises=False,
        why_invalid=lambda: None,
        warnings=list,
        tensors=dict,
    )


def training_steps(
    live: LiveModule, call: Callable[[], Any], inputs: Sequence[torch.Tensor], device_type: str
) -> Steps:
    """Forward with the loss, backward, SGD with momentum; the module is in train mode. Raises UserError."""
    live.module.train()
    step = _TrainingStep(live, call, inputs, device_type)
    return Steps(
        setup=step.zero_grad,
        step=step.whole_step,
        whole_phase="step",
        phases=(("forward", step.forward), ("backward", step.backward), ("optimizer", step.optimize)),
        synchronises=step.scales_loss,
        why_invalid=step.why_invalid,
        warnings=step.warnings,
        tensors=dict,
    )


class _TrainingStep:
    """What the phases of one step hand on; as `bench.workloads.training` does it, on the caller's inputs."""

    def __init__(
        self, live: LiveModule, call: Callable[[], Any], inputs: Sequence[torch.Tensor], device_type: str
    ) -> None:
        weights = [weight for weight in live.module.parameters() if weight.requires_grad]
        if not weights:
            raise UserError(
                f"{type(live.module).__name__} cannot be trained: no parameter requires a gradient"
            )
        self._call, self._inputs = call, inputs
        self._precision, self._device_type = live.precision, device_type
        self._optimizer = torch.optim.SGD(weights, lr=LEARNING_RATE, momentum=MOMENTUM)
        self.scales_loss = POLICIES[live.precision].scales_loss
        self._scaler = LossScaler(device_type, enabled=self.scales_loss)
        self._loss: torch.Tensor | None = None
        self._loss_of = self._loss_function(live.loss, live.targets)

    def _loss_function(self, loss: Callable[..., Any] | None, targets: Any) -> Callable[[Any], Any]:
        """From the outputs to the loss, tried once. Raises UserError where that is no number to derive."""
        with torch.no_grad(), autocast(self._precision, self._device_type):
            outputs = self._call()
        if loss is None:
            labels = _labels(outputs) if targets is None else targets
            return lambda outputs: cross_entropy(outputs, labels)
        return loss if targets is None else lambda outputs: loss(outputs, targets)

    def zero_grad(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        for tensor in self._inputs:
            tensor.grad = None

    def forward(self) -> None:
        with autocast(self._precision, self._device_type):
            found = self._loss_of(self._call())
        if self._loss is None:
            _refuse_loss(found)
        self._loss = found

    def backward(self) -> None:
        assert self._loss is not None
        self._scaler.backward(self._loss)

    def optimize(self) -> None:
        self._scaler.step(self._optimizer)

    def whole_step(self) -> None:
        self.forward()
        self.backward()
        self.optimize()

    def why_invalid(self) -> str | None:
        """A reason when the last window must not be used."""
        return self._scaler.why_invalid()

    def warnings(self) -> list[CaseWarning]:
        if self._loss is None or math.isfinite(self._loss.detach().item()):
            return []
        return [CaseWarning("non-finite-loss", "the loss of the last step is not a finite number")]


def _labels(outputs: Any) -> torch.Tensor:
    """Random labels for outputs of shape (batch, classes, ...)."""
    if not torch.is_tensor(outputs) or outputs.ndim < 2 or not outputs.is_floating_point():
        raise UserError(
            f"the usual loss is cross-entropy of outputs (batch, classes, ...), not of "
            f"{_described(outputs)}: {_LOSS_WANTED}"
        )
    shape = (outputs.shape[0], *outputs.shape[2:])
    return torch.randint(outputs.shape[1], shape, device=outputs.device)


def _refuse_loss(found: Any) -> None:
    if not torch.is_tensor(found) or found.numel() != 1 or not found.requires_grad:
        raise UserError(f"the loss is {_described(found)}: {_LOSS_WANTED}, with a gradient")


def _described(value: Any) -> str:
    if not torch.is_tensor(value):
        return f"a {type(value).__name__}"
    grad = "" if value.requires_grad or not torch.is_grad_enabled() else " without a gradient"
    return f"a tensor of shape {tuple(value.shape)} and {str(value.dtype).removeprefix('torch.')}{grad}"


def _leaves(outputs: Any) -> Iterator[Any]:
    for leaf in tree_flatten(outputs)[0]:
        # What torch does not know for a container, such as a dataclass, holds its tensors as attributes.
        yield from () if torch.is_tensor(leaf) else getattr(leaf, "__dict__", {}).values()
        yield leaf
