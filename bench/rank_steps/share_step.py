"""A training step of one rank: forward, loss, backward, SGD."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from bench.outputs.network_loss import NetworkLoss, loss_for
from bench.outputs.optimizer import optimizer_for
from bench.schema.case import Case
from bench.tensors import POLICIES, autocast

if TYPE_CHECKING:
    from torch import Tensor

    from models.network import Arguments


def why_no_precision(case: Case) -> str | None:
    """A sentence for a precision that needs more than the ranks agree on."""
    if POLICIES[case.precision].scales_loss:
        return f"{case.precision} scales the loss, which is not done over several ranks; use amp-bf16"
    return None


class ShareStep:
    """One rank's step on its share.

    forward  the callable that stands for the network
    weights  what the optimizer changes
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        weights: list[Tensor],
        arguments: Arguments,
        labels: Tensor,
        case: Case,
    ) -> None:
        self._forward = forward
        self._case = case
        self._arguments, self._labels = arguments, labels
        self._device_type = labels.device.type
        self._optimizer = optimizer_for(weights, case)
        self._loss_of: NetworkLoss | None = None
        self.outputs: Any = None
        self.loss: Tensor | None = None

    def whole(self) -> None:
        """Gradients are there until the next step begins."""
        self.backward()
        self._optimizer.step()

    def backward(self) -> None:
        """A step without its update."""
        self._optimizer.zero_grad(set_to_none=True)
        with autocast(self._case.precision, self._device_type):
            self.outputs = self._arguments.call(self._forward)
            if self._loss_of is None:
                self._loss_of = loss_for(self.outputs, self._case.classes, self._labels)
            self.loss = self._loss_of.of(self.outputs)
        self.loss.backward()

    def tensors(self, weights: list[Tensor], buffers: list[Tensor]) -> dict[str, list[Tensor]]:
        """What is alive by kind, as `Steps.tensors`; of sharded tensors this rank's part."""
        states = [each for state in self._optimizer.state.values() for each in state.values()]
        return {
            "weights": _own(weights),
            "buffers": buffers,
            "gradients": _own(each.grad for each in weights if each.grad is not None),
            "optimizer_state": _own(each for each in states if hasattr(each, "untyped_storage")),
            "inputs": [*self._arguments.tensors(), self._labels],
        }


def _own(tensors: Iterable[Any]) -> list[Tensor]:
    return [each.to_local() if hasattr(each, "to_local") else each for each in tensors]
