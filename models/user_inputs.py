"""What a user's `inputs(batch, device)` makes: the arguments of a call of his network; for the child only."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import torch

from models.catalogue import Input
from models.factory import kind_of
from models.network import Arguments, Inputs
from models.process_state import kept
from models.user_code import FactoryError, as_factory_error

_ACCEPTED = "a tensor, a tuple of positional arguments or a dict of keyword arguments"


def inputs_of(
    module: ModuleType, place: str, factory: object, sizes: Mapping[str, int], other_input: str = ""
) -> Inputs | None:
    """What stands as `inputs` beside a factory; None for nothing.

    Raises FactoryError where it cannot be called. What it returns does so where the options ask for an input,
    or for channels or an image that the factory does not take: they would change nothing.
    """
    function = getattr(module, "inputs", None)
    if function is None or isinstance(function, ModuleType):
        return None
    name = f"{place}:inputs"
    if not callable(function):
        raise FactoryError(
            f"{name} is {kind_of(function)}: beside a factory this name"
            " is kept for a function inputs(batch, device), which makes what the network is given"
        )
    try:
        inspect.signature(function).bind(batch=1, device=torch.device("cpu"))
    except TypeError:
        raise FactoryError(
            f"{name} takes {inspect.signature(function)}: it is called as inputs(batch=..., device=...)"
        ) from None
    except ValueError:  # some callables do not tell what they take
        pass
    asked = {"input": other_input} if other_input else _useless(factory, sizes)
    return partial(_made, name, function, [f"--{size} {value}" for size, value in asked.items()])


def _useless(factory: object, sizes: Mapping[str, int]) -> Mapping[str, object]:
    """The sizes that somebody asked for and nobody takes."""
    usual = {"channels": Input().channels, "image": Input().image}
    asked = {size: value for size, value in sizes.items() if value != usual.get(size, value)}
    try:
        taken = inspect.signature(factory).parameters if callable(factory) else {}
    except (TypeError, ValueError):
        taken = {}
    return {size: value for size, value in asked.items() if size not in taken}


def _made(
    name: str, function: Callable[..., Any], useless: Sequence[str], batch: int, device: torch.device
) -> Arguments:
    """Call it and check what it returns. Raises FactoryError."""
    if useless:
        raise FactoryError(
            f"{name} makes what the network is given, so {' and '.join(useless)} would change nothing:"
            " leave it out, or let the factory take it"
        )
    with as_factory_error(f"{name}({batch}, {device})"), kept():
        arguments = _arguments(name, function(batch=batch, device=device))
        _check_device(name, arguments, device)
        place = _place_of_batch(arguments, batch)
        if place is None:
            raise FactoryError(
                f"{name} was asked for a batch of {batch} and returned {_shapes(arguments)}: the batch is the"
                " first dimension of at least one tensor, or the second"
            )
        if place == 1:
            _check_second(name, arguments, _arguments(name, function(batch=batch + 1, device=device)), batch)
    return arguments


def _arguments(name: str, made: object) -> Arguments:
    if isinstance(made, torch.Tensor):
        arguments = Arguments((made,))
    elif isinstance(made, tuple):
        arguments = Arguments(tuple(made))
    elif isinstance(made, Mapping) and all(isinstance(key, str) for key in made):
        arguments = Arguments((), dict(made))
    else:
        kind = "nothing" if made is None else kind_of(made)
        raise FactoryError(f"{name} returned {kind}. Accepted: {_ACCEPTED}")
    if not arguments.tensors():
        raise FactoryError(f"{name} returned no tensor. Accepted: {_ACCEPTED}")
    return arguments.each(torch.Tensor.detach)


def _check_device(name: str, arguments: Arguments, device: torch.device) -> None:
    for each in arguments.tensors():
        if each.device.type != device.type or device.index not in (None, each.device.index):
            raise FactoryError(
                f"{name} returned a tensor on {each.device}, and was asked for {device}: make it there, for"
                " example torch.zeros(..., device=device)"
            )


def _place_of_batch(arguments: Arguments, batch: int) -> int | None:
    """The dimension that is the batch in some tensor; sequences may have it second."""
    shapes = [each.shape for each in arguments.tensors()]
    return next((place for place in (0, 1) if any(s[place : place + 1] == (batch,) for s in shapes)), None)


def _check_second(name: str, arguments: Arguments, larger: Arguments, batch: int) -> None:
    """A second dimension that is the batch by accident is so for no other batch."""
    if not any(
        one.shape[1:2] == (batch,) and other.shape[1:2] == (batch + 1,)
        for one, other in zip(arguments.tensors(), larger.tensors(), strict=False)
    ):
        raise FactoryError(
            f"{name} returned {_shapes(arguments)} whatever the batch is: it must follow its argument batch"
        )


def _shapes(arguments: Arguments) -> str:
    return ", ".join(str(tuple(each.shape)) for each in arguments.tensors())
