"""Networks of a user, from the factory of a module or of a file; for the child only."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import torch
from torch.nn.parameter import UninitializedParameter

from models.catalogue import FileFactory, ModuleFactory
from models.factory import Sizes, network_of
from models.network import Arguments, Network
from models.process_state import kept
from models.user_code import FactoryError, running
from models.user_imports import import_file, place_of, user_packages
from models.user_inputs import inputs_of


def load_module(source: ModuleFactory, sizes: Sizes, other_input: str) -> Network:
    """What a factory of an importable module returns; the current folder is searched last."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    with running(f"{source.module}:{source.factory}", source.module):
        with kept():
            module = importlib.import_module(source.module)
        return _network(source, source.module, module, sizes, other_input)


def load_file(source: FileFactory, sizes: Sizes, other_input: str) -> Network:
    """What a factory of a file returns, as if Python had been started in the folder of the file's package."""
    place = place_of(source.path)
    with user_packages(place), running(f"{source.path}:{source.factory}", str(source.path)):
        with kept():
            module = import_file(place)
        return _network(source, str(source.path), module, sizes, other_input)


def _network(
    source: FileFactory | ModuleFactory, place: str, module: ModuleType, sizes: Sizes, other_input: str
) -> Network:
    """What the factory makes, with what the module holds as `inputs` beside it."""
    name = f"{place}:{source.factory}"
    factory = _defined(name, module, source.factory)
    made = network_of(name, factory, source.arguments, sizes)
    return Network(made, inputs_of(module, place, factory, sizes, other_input))


def _defined(name: str, module: ModuleType, factory: str) -> object:
    """What the module holds under that name; FactoryError where it was not bound when it was imported."""
    try:
        return getattr(module, factory)
    except AttributeError as error:
        raise FactoryError(
            f"{name} is not defined once the file is imported (AttributeError: {error})"
        ) from error


@torch.no_grad()
def materialise(network: Network, shape: tuple[int, ...], batch: int) -> None:
    """Let lazy layers take the shapes that the network's own inputs give them, or one input of that shape."""
    module = network.module
    if any(isinstance(each, UninitializedParameter) for each in module.parameters()):
        training = module.training
        one = Arguments((torch.zeros(1, *shape),))
        given = network.inputs(batch, torch.device("cpu")) if network.inputs else one
        module.eval()
        given.call(module)
        module.train(training)
