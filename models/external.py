"""Networks of a user, from the factory of a module or of a file; for the child only."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from models.catalogue import FileFactory, ModuleFactory
from models.network import Arguments, Network
from models.process_state import kept
from models.user_code import FactoryError, as_factory_error
from models.user_imports import import_file, package_of, user_packages
from models.user_inputs import inputs_of


def load_module(source: ModuleFactory, *, channels: int, image: int, classes: int) -> Network:
    """What a factory of an importable module returns; the current folder is searched last."""
    name = f"{source.module}:{source.factory}"
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    with as_factory_error(name), kept():
        module = importlib.import_module(source.module)
    made = _call(name, module, source.factory, channels, image, classes)
    return _network(made, module, source.module, source.factory, channels=channels, image=image)


def load_file(source: FileFactory, *, channels: int, image: int, classes: int) -> Network:
    """What a factory of a file returns, as if Python had been started in the folder of the file's package."""
    path = source.path.resolve()
    name = f"{source.path}:{source.factory}"
    root, dotted = package_of(path)
    with user_packages(path, root, dotted), as_factory_error(name):
        with kept():
            module = import_file(path, dotted)
        made = _call(name, module, source.factory, channels, image, classes)
        return _network(made, module, str(source.path), source.factory, channels=channels, image=image)


def _network(made: nn.Module, module: ModuleType, place: str, factory: str, **sizes: int) -> Network:
    """With what the module holds as `inputs` beside the factory."""
    return Network(made, inputs_of(module, place, getattr(module, factory), sizes))


def _call(name: str, module: ModuleType, factory: str, channels: int, image: int, classes: int) -> nn.Module:
    """Call a factory with those of channels, image and classes that it names, and check what it returns."""
    with as_factory_error(name), kept(random_numbers=False):
        made = getattr(module, factory)
        if not callable(made):
            raise FactoryError(f"{name} is {_a(made)}, not a callable that returns an nn.Module")
        given = {"channels": channels, "image": image, "classes": classes}
        result = made(**{key: given[key] for key in _accepted(made) if key in given})
    if not isinstance(result, nn.Module):
        raise FactoryError(f"{name} returned {_a(result)}, not an nn.Module")
    return result


def _accepted(function: Callable[..., object]) -> list[str]:
    """The names of the parameters that can be given by name; none where the callable does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]


def _a(value: object) -> str:
    return f"an object of type {type(value).__name__}"


@torch.no_grad()
def materialise(network: Network, *, channels: int, image: int, batch: int) -> None:
    """Let lazy layers take the shapes that one batch gives them; one image where they take images."""
    module = network.module
    if any(isinstance(each, UninitializedParameter) for each in module.parameters()):
        training = module.training
        images = Arguments((torch.zeros(1, channels, image, image),))
        given = network.inputs(batch, torch.device("cpu")) if network.inputs else images
        module.eval()
        given.call(module)
        module.train(training)
