"""The steps of a module of the caller's: forward alone, or forward with a loss, backward and SGD."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from bench.contracts.steps import Steps
from bench.fresh_inputs import FreshInputs
from bench.outputs.main_output import main_output
from bench.outputs.optimizer import LEARNING_RATE, MOMENTUM
from bench.outputs.trainable import trainable
from bench.schema.case import Precision, Workload
from bench.schema.case_warnings import CaseWarning
from bench.tensors import POLICIES, LossScaler, autocast
from bench.workloads.inference import InferenceStep
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


def inference_steps(module: torch.nn.Module, call: Callable[[], Any], fresh: FreshInputs) -> Steps:
    """The forward pass in eval mode. Raises UserError where it gives no tensor."""
    module.eval()
    step = InferenceStep(call, fresh)
    step.setup()
    step.step()
    step.setup()  # looks at what came
    return step.steps(dict)


def training_steps(
    live: LiveModule,
    call: Callable[[], Any],
    inputs: Sequence[torch.Tensor],
    fresh: FreshInputs,
    device_type: str,
) -> Steps:
    """Forward with the loss, backward, SGD with momentum; the module is in train mode. Raises UserError."""
    live.module.train()
    step = _TrainingStep(live, call, inputs, fresh, device_type)
    return Steps(
        setup=step.setup,
        step=step.whole_step,
        whole_phase="step",
        phases=(("forward", step.forward), ("backward", step.backward), ("optimizer", step.optimize)),
        synchronises=step.scales_loss,
        why_invalid=step.why_invalid,
        warnings=step.warnings,
        tensors=dict,
        put_back=fresh.put_back,
        puts_back=fresh.are_changed,
    )


class _TrainingStep:
    """What the phases of one step hand on; as `bench.workloads.training` does it, on the caller's inputs."""

    def __init__(
        self,
        live: LiveModule,
        call: Callable[[], Any],
        inputs: Sequence[torch.Tensor],
        fresh: FreshInputs,
        device_type: str,
    ) -> None:
        weights = trainable(live.module, type(live.module).__name__)
        self._call, self._inputs, self._fresh = call, inputs, fresh
        self._precision, self._device_type = live.precision, device_type
        self._optimizer = torch.optim.SGD(weights, lr=LEARNING_RATE, momentum=MOMENTUM)
        self.scales_loss = POLICIES[live.precision].scales_loss
        self._scaler = LossScaler(device_type, enabled=self.scales_loss)
        self._loss: torch.Tensor | None = None
        self._told: list[CaseWarning] = []
        self._loss_of = self._loss_function(live.loss, live.targets)

    def _loss_function(self, loss: Callable[..., Any] | None, targets: Any) -> Callable[[Any], Any]:
        """From the outputs to the loss, tried once. Raises UserError where that is no number to derive."""
        with torch.enable_grad(), autocast(self._precision, self._device_type):
            outputs = self._call()  # which of them has a gradient decides
        if loss is None:
            main = main_output(outputs)
            if not main.tensor.ndim and targets is None:
                detail = f"{main.name or 'the output'} is one number: it is the loss"
                self._told = [CaseWarning("main-output", detail)]
                return main.take
            labels = _labels(main.tensor) if targets is None else targets
            if main.count > 1:
                detail = f"the loss takes {main.name}, one of {main.count} tensors returned"
                self._told = [CaseWarning("main-output", detail)]
            return lambda outputs: cross_entropy(main.take(outputs), labels)
        return loss if targets is None else lambda outputs: loss(outputs, targets)

    def setup(self) -> None:
        self._fresh.put_back()
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
        told = [*self._told, *self._fresh.warnings()]
        if self._loss is None or math.isfinite(self._loss.detach().item()):
            return told
        return [CaseWarning("non-finite-loss", "the loss of the last step is not a finite number"), *told]


def _labels(outputs: torch.Tensor) -> torch.Tensor:
    """Random labels for outputs of shape (batch, classes, ...)."""
    if outputs.ndim < 2 or not outputs.is_floating_point():
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
