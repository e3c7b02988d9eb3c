"""What of a network an optimizer can train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn


def trainable(module: nn.Module, name: str) -> list[Tensor]:
    """The parameters that require a gradient, each once. Raises UserError where there are none."""
    parameters = list(module.parameters())
    found: list[Tensor] = [each for each in parameters if each.requires_grad]
    if found:
        return found
    frozen = f"all {len(parameters)} parameter tensors are frozen (requires_grad is False)"
    why = frozen if parameters else "it has no parameters"
    raise UserError(f"{name} has nothing to train: {why}; its inference can be measured")
