"""A name -> the network, on its device, whoever wrote it: what the child calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import nn

from models import process_state, random_state
from models.arch import Init
from models.build import build
from models.catalogue import FileFactory, ModuleFactory, Ours, Timm, Torchvision, parse
from models.external import load_file, load_module, materialise
from models.factory import Sizes
from models.library_networks import load_timm, load_torchvision
from models.local_sources import local_sources
from models.network import Network
from models.plain_module import plain, refuse_script, switched


def load(
    spec: str,
    *,
    channels: int,
    image: int,
    classes: int,
    batch: int = 1,
    other_input: str = "",
    init: Init | Literal["tiled"] = "xavier",
    device: torch.device | str = "cpu",
) -> Network:
    """The network that `models.catalogue.parse` says `spec` names, in training mode.

    `init` is for our own networks; others are as their factories leave them. `batch` is that of a user's
    inputs, from which lazy layers take their shapes. `other_input` is the shape of one input that is no
    square image, `3x64x80`; a factory is then given no `image`.
    Raises UserError (of which FactoryError is one) and models.closed_form.ImageTooSmallError; errors for lack
    of memory pass unchanged.
    """
    shape = tuple(map(int, other_input.split("x"))) if other_input else (channels, image, image)
    sizes = {"channels": channels, "image": image, "classes": classes}
    source = parse(spec)
    if isinstance(source, Ours):
        return Network(build(source.arch, **sizes, init=init, device=device))
    numbers = random_state.read()
    with process_state.kept() as lost:
        network = _of_others(source, sizes, other_input)
        module, was_compiled = plain(network.module)
        refuse_script(module, spec)
        network = replace(network, module=module, was_compiled=was_compiled)
        materialise(network, shape, batch)
        switched(module, spec)
    return replace(
        network,
        module=_moved(module, device),
        ignores_seed=random_state.is_unchanged(numbers),
        lost_settings=tuple(map(str, lost)),
        sources=local_sources(source),
    )


def _moved(module: nn.Module, device: torch.device | str) -> nn.Module:
    """On a device; a user's own `to` may well forget to return the module."""
    moved = module.to(device)
    return moved if isinstance(moved, nn.Module) else module


def _of_others(
    source: Torchvision | Timm | ModuleFactory | FileFactory, sizes: Sizes, other_input: str
) -> Network:
    given = {name: size for name, size in sizes.items() if name != "image" or not other_input}
    match source:
        case Torchvision():
            return Network(load_torchvision(source, **sizes))
        case Timm():
            return Network(load_timm(source, **sizes))
        case ModuleFactory():
            return load_module(source, given, other_input)
        case FileFactory():
            return load_file(source, given, other_input)
