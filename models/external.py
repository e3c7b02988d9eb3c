"""Networks of a user, from the factory of a module or of a file; for the child only."""

from __future__ import annotations

import importlib
import sys
from itertools import chain
from pathlib import Path
from types import ModuleType

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from models.catalogue import FileFactory, ModuleFactory
from models.factory import Sizes, network_of
from models.network import Arguments, Network
from models.process_state import kept
from models.user_code import FactoryError, as_factory_error, running
from models.user_imports import import_file, place_of, source_folders, user_packages
from models.user_inputs import inputs_of


def load_module(source: ModuleFactory, sizes: Sizes, other_input: str) -> Network:
    """What a factory of an importable module returns; the current folder is searched last, those of SOURCES
    first."""
    sys.path[:] = list(dict.fromkeys([*source_folders(), *sys.path]))
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
    """Let lazy layers take the shapes that a call gives them, in eval mode and, where some are called only
    there, in training mode: of one input of that shape where that is taken, of a whole batch else.

    Raises FactoryError where no call succeeds, or a layer is never called.
    """
    module = network.module
    before = module.training
    for training in (False, True):
        if not _lazy(module):
            return
        module.train(training)
        sizes = (batch,) if network.inputs or training else (1, batch)
        with as_factory_error("the call that gives lazy layers their shapes"):
            _call_once(network, shape, sizes)
        module.train(before)
    if _lazy(module):
        raise FactoryError(f"no call gives a shape to what is lazy: {', '.join(_lazy(module))}")


def _call_once(network: Network, shape: tuple[int, ...], batches: tuple[int, ...]) -> None:
    """With the first batch that the network takes; raises what it says of the last."""
    for batch in batches:
        images = Arguments((torch.zeros(batch, *shape),))
        given = network.inputs(batch, torch.device("cpu")) if network.inputs else images
        try:
            given.call(network.module)
        except Exception:  # it is the user's code: it may well take multiples of a number alone
            if batch == batches[-1]:
                raise
        else:
            return


def _lazy(module: nn.Module) -> list[str]:
    """Names of parameters and buffers without a shape."""
    return [name for name, each in chain(module.named_parameters(), module.named_buffers()) if is_lazy(each)]
