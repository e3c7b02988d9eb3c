"""Copies of a module that have shapes only, and what is counted on them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import torch
from msgspec import Struct
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

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
    return chain.from_iterable(own_parameters(part) for part in parts)


def own_parameters(part: nn.Module) -> Iterable[nn.Parameter]:
    """Those that are no child's; what parametrizations make the weights of is the layer's own."""
    yield from part.parameters(recurse=False)
    parametrizations = getattr(part, "parametrizations", None)
    if isinstance(parametrizations, nn.ModuleDict):
        yield from parametrizations.parameters()


def _elements(tensors: Iterable[Tensor]) -> int:
    return sum({id(each): each.numel() for each in tensors}.values())


def meta_copy(module: nn.Module) -> nn.Module:
    """The same module with weights that have shapes only; takes no memory to speak of."""
    return copy_with(module, lambda tensor: torch.empty_like(tensor, device="meta", requires_grad=False))


def copy_with(module: nn.Module, another: Callable[[Tensor], Tensor]) -> nn.Module:
    """The same module with `another` tensor in place of each parameter, buffer and plain tensor in it."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(another(parameter), requires_grad=parameter.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = another(buffer)
    with _Replacing(another):
        return copy.deepcopy(module, memo)


class _Replacing(TorchFunctionMode):
    """Lets `deepcopy` make `another` tensor of each: torch itself refuses those that were computed, as a
    normalised weight was."""

    def __init__(self, another: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._another = another

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is not Tensor.__deepcopy__:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        if id(tensor) not in memo:
            memo[id(tensor)] = self._another(tensor.detach()).requires_grad_(
                tensor.requires_grad and tensor.is_leaf
            )
        return memo[id(tensor)]


def place_of(module: nn.Module) -> torch.device:
    """Where the module's weights are; the CPU without any."""
    return next(chain(module.parameters(), module.buffers()), torch.empty(0)).device


def unfilled(module: nn.Module, arguments: Arguments) -> tuple[nn.Module, Arguments]:
    """A copy of the module and, where its weights are, of the arguments, of the same shapes, layouts and
    types: inside a FakeTensorMode, in which this is called, that is all that there is of them."""
    return copy_with(module, _unfilled), arguments.each(partial(_unfilled, device=place_of(module)))


def _unfilled(tensor: Tensor, device: torch.device | None = None) -> Tensor:
    where = tensor.device if device is None else device
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=where)


def beside(module: nn.Module, arguments: Arguments) -> Arguments:
    """The arguments where the module's weights are."""
    return arguments.on(place_of(module))


Count = Callable[[nn.Module, Arguments], Result]


def with_shapes_only(
    module: nn.Module, arguments: Arguments, count: Count[Result], *, training: bool = False
) -> Result:
    """`count` on a copy without data, in the mode that is asked for: on `meta`, or where that fails on
    tensors that pretend to lie where the module's do.

    Where it looks at values, on the module itself, which is left in its own mode. Raises what it raises.
    """
    try:
        copied = meta_copy(module)
        copied.train(training)
        return count(copied, arguments.on("meta"))
    except Exception:  # noqa: BLE001  a module may fail without data in any way
        return with_likenesses(module, arguments, count, training=training)


def with_likenesses(
    module: nn.Module, arguments: Arguments, count: Count[Result], *, training: bool = False
) -> Result:
    """As `with_shapes_only`, but never on `meta`: for what depends on the device."""
    try:
        return _pretending(module, arguments, count, training)
    except Exception:  # noqa: BLE001
        return _itself(module, arguments, count, training)


def _pretending(module: nn.Module, arguments: Arguments, count: Count[Result], training: bool) -> Result:
    with FakeTensorMode(allow_fallback_kernels=False, allow_non_fake_inputs=True):
        copied, given = unfilled(module, arguments)
        copied.train(training)
        with _refusing(module):
            return count(copied, given)


def _itself(module: nn.Module, arguments: Arguments, count: Count[Result], training: bool) -> Result:
    module.zero_grad(set_to_none=True)
    with in_mode(module, training):
        try:
            return count(module, beside(module, arguments).each(torch.clone))
        finally:
            module.zero_grad(set_to_none=True)


@contextmanager
def _refusing(module: nn.Module) -> Iterator[None]:
    """The module cannot be called: a copy does so whose functions have kept it, and would compute on data."""
    parts = [part for part in module.modules() if "forward" not in part.__dict__]

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the copy calls the module that it was made of")

    for part in parts:
        part.__dict__["forward"] = refuse
    try:
        yield
    finally:
        for part in parts:
            del part.__dict__["forward"]


@contextmanager
def in_mode(module: nn.Module, training: bool) -> Iterator[None]:
    """The module in training or eval mode, and then each part of it in its own again."""
    before = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for part, mode in before:
            part.training = mode
