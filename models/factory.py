"""Calling a user's factory: what it takes, and whether it returned a network; for the child only."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from models.process_state import kept
from models.spec import Literals
from models.user_code import FactoryError

Sizes = Mapping[str, int]
"""`channels`, `image` and `classes` of the case."""


def network_of(name: str, made: object, arguments: Literals, sizes: Sizes) -> nn.Module:
    """The network that a factory makes of its arguments and of those sizes that it names.

    A module in a factory's place is taken as it is; it is not copied, which would hold its memory twice.
    Raises FactoryError for anything else, and lets pass what the factory raises.
    """
    if isinstance(made, nn.Module):
        if arguments != Literals():
            raise FactoryError(f"{name} is an instance (a module), not a factory: it takes no arguments")
        return made
    if not callable(made):
        raise FactoryError(f"{name} is {kind_of(made)}, not a callable that returns an nn.Module")
    for test, words in (
        (inspect.iscoroutinefunction, "an async function"),
        (inspect.isasyncgenfunction, "an async generator"),
        (inspect.isgeneratorfunction, "a generator: it yields"),
    ):
        if test(made):
            raise FactoryError(f"{name} is {words}, where a function that returns an nn.Module is accepted")
    named = _named(name, made, arguments, sizes)
    with kept():
        result = made(*arguments.positional, **named)
    if not isinstance(result, nn.Module):
        raise FactoryError(f"{name} returned {_returned(result)}")
    return result


def _named(name: str, made: Callable[..., object], arguments: Literals, sizes: Sizes) -> dict[str, Any]:
    """The arguments by name: those of the spec, and the sizes. Raises FactoryError where they do not fit."""
    for size in sizes.keys() & arguments.named.keys():
        raise FactoryError(f"{size} is an axis of its own: --{size} {arguments.named[size]!r}, not in {name}")
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):  # some callables do not tell
        return arguments.named
    parameters = signature.parameters.values()
    by_name = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    positional = [
        each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    filled = {*positional[: len(arguments.positional)], *arguments.named}
    given = {
        each.name: sizes[each.name] for each in by_name if each.name in sizes and each.name not in filled
    }
    needed = (each.name for each in by_name if each.default is each.empty)
    missing = [each for each in needed if each not in filled and each not in given]
    if missing:
        example = ", ".join(f"{each}=..." for each in missing)
        raise FactoryError(f"{name} needs {_listed(missing)}. Give {name.rpartition(':')[2]}({example})")
    try:
        signature.bind(*arguments.positional, **arguments.named, **given)
    except TypeError as error:
        accepted = _listed([each.name for each in by_name]) if by_name else "no arguments"
        raise FactoryError(f"{name} does not take these arguments ({error}): it takes {accepted}") from None
    return {**arguments.named, **given}


def _listed(names: list[str]) -> str:
    return f"the argument{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"


def kind_of(value: object) -> str:
    return f"an object of type {type(value).__name__}"


def _returned(result: object) -> str:
    """What a factory returned in the place of a network, and what to do."""
    wanted = "not an nn.Module"
    if result is None:
        return f"None, {wanted}: is its return missing?"
    if isinstance(result, type) and issubclass(result, nn.Module):
        return f"the class {result.__name__}, {wanted}: call it"
    if isinstance(result, (tuple, list)):
        kinds = ", ".join(type(each).__name__ for each in result[:4])
        which = next((place for place, each in enumerate(result) if isinstance(each, nn.Module)), None)
        advice = "" if which is None else f": return its item {which} alone"
        return f"a {type(result).__name__} ({kinds}), {wanted}{advice}"
    if isinstance(result, Mapping):
        return f"{kind_of(result)} ({', '.join(map(str, list(result)[:3]))}...), {wanted}: " + (
            "weights alone do not say how they are used" if result else "it is empty"
        )
    held = (
        (key for key, each in vars(result).items() if isinstance(each, nn.Module))
        if hasattr(result, "__dict__")
        else iter(())
    )
    inside = next(held, None)
    return f"{kind_of(result)}, {wanted}" + (f": return its attribute {inside!r}" if inside else "")
