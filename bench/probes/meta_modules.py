"""Copies of a module that have shapes only, and what is counted on them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import torch
from msgspec import Struct
from torch import Tensor, nn

from models.network import Arguments

Result = TypeVar("Result")


class ParameterCounts(Struct, frozen=True, kw_only=True):
    """Parameters of a module, each counted once however often it is used; biases are included."""

    total: int
    convolution: int
    linear: int


CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def count_parameters(module: nn.Module) -> ParameterCounts:
    """How many parameters there are, and how many in convolutions and in linear layers."""
    return ParameterCounts(
        total=_elements(module.parameters()),
        convolution=_elements(_parameters_of(module, (*CONVOLUTIONS, *TRANSPOSED))),
        linear=_elements(_parameters_of(module, (nn.Linear,))),
    )


def _parameters_of(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterable[Tensor]:
    parts = (part for part in module.modules() if isinstance(part, kinds))
    return chain.from_iterable(part.parameters(recurse=False) for part in parts)


def _elements(tensors: Iterable[Tensor]) -> int:
    return sum({id(each): each.numel() for each in tensors}.values())


def meta_copy(module: nn.Module) -> nn.Module:
    """The same module with weights that have shapes only; takes no memory to speak of."""
    return copy_with(module, lambda tensor: torch.empty_like(tensor, device="meta"))


def copy_with(module: nn.Module, another: Callable[[Tensor], Tensor]) -> nn.Module:
    """The same module with `another` tensor in place of each parameter and buffer."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(another(parameter), requires_grad=parameter.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = another(buffer)
    return copy.deepcopy(module, memo)


def unfilled(module: nn.Module, arguments: Arguments) -> tuple[nn.Module, Arguments]:
    """A copy of the module and, where its weights are, of the arguments, of the same shapes, layouts and
    types: inside a FakeTensorMode, in which this is called, that is all that there is of them."""
    device = next(module.parameters(), torch.empty(0)).device
    return copy_with(module, _unfilled), arguments.each(partial(_unfilled, device=device))


def _unfilled(tensor: Tensor, device: torch.device | None = None) -> Tensor:
    where = tensor.device if device is None else device
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=where)


def beside(module: nn.Module, arguments: Arguments) -> Arguments:
    """The arguments where the module's weights are."""
    return arguments.on(next(module.parameters(), torch.empty(0)).device)


def on_meta_or_itself(module: nn.Module, count: Callable[[nn.Module], Result]) -> Result:
    """`count` on a copy on `meta` in eval mode, or, where the module cannot run there, on the module."""
    try:
        counted = meta_copy(module)
        counted.eval()  # a user's own may return nothing
        return count(counted)
    except Exception:  # noqa: BLE001  a module may fail on meta in any way; its own error comes up below
        training = module.training
        try:
            module.eval()
            return count(module)
        finally:
            module.train(training)
            module.zero_grad(set_to_none=True)
