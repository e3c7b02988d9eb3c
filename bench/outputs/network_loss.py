"""The loss of a network that may return anything: cross-entropy of its main output with random labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.outputs.main_output import MainOutput, described, main_output
from bench.schema.case_warnings import CaseWarning
from bench.schema.plurals import how_many
from models.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class NetworkLoss:
    """A loss for outputs of one structure.

    of        from what the network returns to one number
    labels    what its main output is compared with; None where the network returns its own loss
    warnings  what a reader must know of it: which output it takes, and how many classes there are
    """

    of: Callable[[Any], Tensor]
    labels: Tensor | None
    warnings: tuple[CaseWarning, ...] = ()


def loss_for(outputs: Any, classes: int, labels: Tensor | None = None) -> NetworkLoss:
    """The loss for outputs like these, of a case of so many classes.

    Cross-entropy over dimension 1 of the main output, (batch, classes, ...), or over the last one, where that
    alone is as long as there are classes; of a single number for each image or pixel, binary cross-entropy.
    The labels are random and below the number of outputs; `labels`, (batch,) and below `classes`, are taken
    where they fit. A main output of one number is itself the loss. Raises UserError without a main output,
    where that is complex, and where gradients are recorded and it has none.
    """
    import torch

    main = main_output(outputs)
    if torch.is_grad_enabled() and not main.tensor.requires_grad:
        named = f"output {main.name}".rstrip()
        raise UserError(
            f"the loss depends on no parameter: the {named} has no gradient (detached, or made under no_grad)"
        )
    if main.tensor.is_complex():
        raise UserError(
            f"the network's output is complex ({described(main.tensor)}), and cross-entropy takes real "
            "numbers: return its absolute value or real part"
        )
    if not main.tensor.ndim:
        return NetworkLoss(main.take, None, _which(main))
    classes_at = _class_dimension(main.tensor, classes)
    count = 1 if main.tensor.ndim == 1 else main.tensor.shape[classes_at]
    if count == 1:
        targets = torch.randint(2, main.tensor.shape, device=main.tensor.device).to(main.tensor.dtype)
        return NetworkLoss(_binary(main, targets), targets, _which(main) + _others(count, classes))
    if labels is None or count != classes or main.tensor.shape != (len(labels), classes):
        shape = [size for at, size in enumerate(main.tensor.shape) if at != classes_at]
        labels = torch.randint(count, shape, device=main.tensor.device)
    return NetworkLoss(_entropy(main, labels, classes_at), labels, _which(main) + _others(count, classes))


def _class_dimension(output: Tensor, classes: int) -> int:
    """1, as torch's losses have it, but for sequences of (batch, position, classes) and their like."""
    last = output.ndim - 1
    return last if output.shape[last] == classes and last > 1 and output.shape[1] != classes else 1


def _entropy(main: MainOutput, labels: Tensor, classes_at: int) -> Callable[[Any], Tensor]:
    from torch.nn.functional import cross_entropy

    take = main.take
    if not main.name and classes_at == 1:
        return lambda outputs: cross_entropy(outputs, labels)
    return lambda outputs: cross_entropy(take(outputs).movedim(classes_at, 1), labels)


def _binary(main: MainOutput, targets: Tensor) -> Callable[[Any], Tensor]:
    from torch.nn.functional import binary_cross_entropy_with_logits

    take = main.take
    return lambda outputs: binary_cross_entropy_with_logits(take(outputs), targets)


def _which(main: MainOutput) -> tuple[CaseWarning, ...]:
    """A word where the loss leaves a part of the output aside, or is made by the network."""
    if not main.tensor.ndim:
        return (CaseWarning("main-output", f"{main.name or 'the output'} is a scalar and used as the loss"),)
    if main.count == 1:
        return ()
    return (CaseWarning("main-output", f"the loss takes {main.name}, one of {main.count} tensors returned"),)


def _others(count: int, classes: int) -> tuple[CaseWarning, ...]:
    """A word where there are not as many outputs as the case has classes."""
    if count == classes:
        return ()
    outputs = how_many(count, "output")
    labels = "are 0 and 1" if count == 1 else f"lie below {count:,}"
    detail = f"the network has {outputs}, where --classes is {classes:,}: the labels {labels}"
    return (CaseWarning("other-classes", detail),)
