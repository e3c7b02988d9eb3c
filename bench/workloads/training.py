"""Forward with the loss, backward, and SGD with momentum; each step on a fresh forward.

A block of convolutions has no classifier and so no loss: its backward begins at a random gradient of its
output, and reaches its input, as it would inside a network.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bench.contracts.steps import Steps
from bench.fresh_inputs import FreshInputs
from bench.outputs.network_loss import NetworkLoss, loss_for
from bench.outputs.optimizer import optimizer_for
from bench.outputs.trainable import trainable
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.tuning import FUSED_OPTIMIZER, names
from bench.tensors import POLICIES, LossScaler, autocast, case_arguments, random_labels
from models.blocks import is_block

if TYPE_CHECKING:
    import torch

    from bench.contracts.engine import Engine
    from models.network import Arguments, Network


class Training:
    """Phases `forward` (with cross-entropy), `backward`, `optimizer`; the whole is `step`."""

    name = "training"

    def prepare(self, network: Network, case: Case, engine: Engine, torch_device: str) -> Steps:
        network.module.train()
        step = TrainingStep(network, engine.wrap(network.module, case.tuning), case, torch_device)
        return engine.fuse(
            Steps(
                setup=step.setup,
                step=step.whole_step,
                whole_phase="step",
                phases=(
                    ("forward", step.forward),
                    ("backward", step.backward),
                    ("optimizer", step.optimize),
                ),
                synchronises=step.synchronises,
                why_invalid=step.why_invalid,
                warnings=step.warnings,
                tensors=step.tensors,
                arguments=step.arguments,
                put_back=step.fresh.put_back,
                puts_back=step.fresh.are_changed,
            )
        )


class TrainingStep:
    """The state that the phases of one step hand on: the loss (or a block's output) and, with amp-fp16, the
    loss scale."""

    def __init__(self, network: Network, forward: Any, case: Case, torch_device: str) -> None:
        import torch

        self._module = module = network.module
        self._forward = forward
        self._case = case
        self._device_type = torch.device(torch_device).type
        self.arguments = case_arguments(case, network, torch_device)
        self._inputs = self.arguments.tensors()
        self._labels = random_labels(case, torch_device)
        self.fresh = FreshInputs(self._inputs, lambda: case_arguments(case, network, torch_device).tensors())
        self._optimizer = optimizer_for(trainable(module, case.model), case)
        self._gradient = _output_gradient(module, case, self.arguments) if is_block(case.model) else None
        if self._gradient is not None:
            for each in self._inputs:
                each.requires_grad_()
        self.scales_loss = POLICIES[case.precision].scales_loss and self._gradient is None
        # The fused optimizer takes the scaler's finding as a tensor; any other is told on the host.
        self.synchronises = self.scales_loss and FUSED_OPTIMIZER not in names(case.tuning)
        self._scaler = LossScaler(self._device_type, enabled=self.scales_loss)
        self._network_loss: NetworkLoss | None = None
        self._loss: torch.Tensor | None = None

    @property
    def loss(self) -> torch.Tensor:
        """Of the last forward pass; of a block its output."""
        assert self._loss is not None
        return self._loss

    def setup(self) -> None:
        self.fresh.put_back()
        self._optimizer.zero_grad(set_to_none=True)
        for each in self._inputs:
            each.grad = None

    def forward(self) -> None:
        with autocast(self._case.precision, self._device_type):
            outputs = self.arguments.call(self._forward)
            loss = self._network_loss or self._loss_for(outputs)
            self._loss = loss.of(outputs)

    def _loss_for(self, outputs: Any) -> NetworkLoss:
        """In the first step: what the network returns is known only now. Raises UserError."""
        if self._gradient is not None:
            self._network_loss = NetworkLoss(lambda outputs: outputs, self._gradient)
        else:
            self._network_loss = loss_for(outputs, self._case.classes, self._labels)
        return self._network_loss

    def backward(self) -> None:
        assert self._loss is not None
        self._scaler.backward(self._loss, self._gradient)

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
        told = [*(self._network_loss.warnings if self._network_loss else ()), *self.fresh.warnings()]
        if self._loss is None or math.isfinite(self._loss.detach().sum().item()):
            return told
        return [CaseWarning("non-finite-loss", "the loss of the last step is not a finite number"), *told]

    def tensors(self) -> dict[str, list[torch.Tensor]]:
        states = [tensor for state in self._optimizer.state.values() for tensor in state.values()]
        return {
            "weights": list(self._module.parameters()),
            "buffers": list(self._module.buffers()),
            "gradients": [p.grad for p in (*self._module.parameters(), *self._inputs) if p.grad is not None],
            "optimizer_state": [tensor for tensor in states if hasattr(tensor, "untyped_storage")],
            "inputs": [*self._inputs, *self._targets()],
        }

    def _targets(self) -> list[torch.Tensor]:
        """What the loss compares with, or begins at."""
        if self._network_loss is None:
            return [self._labels if self._gradient is None else self._gradient]
        return [] if self._network_loss.labels is None else [self._network_loss.labels]


def _output_gradient(module: Any, case: Case, arguments: Arguments) -> torch.Tensor:
    """Standard normal, in the shape, dtype and layout of what the module gives."""
    import torch

    # These are the step's own shapes, so cuDNN's search is not wasted; and without one, what cuDNN's rules
    # choose here would stay that of the timed steps.
    with torch.no_grad(), autocast(case.precision, arguments.tensors()[0].device.type):
        return torch.randn_like(arguments.call(module))


WORKLOAD = Training()
