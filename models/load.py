"""A name -> the network, on its device, whoever wrote it: what the child calls."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from models.arch import Init
from models.build import build
from models.catalogue import FileFactory, ModuleFactory, Ours, Timm, Torchvision, parse
from models.external import load_file, load_module, materialise
from models.library_networks import load_timm, load_torchvision
from models.network import Network


def load(
    spec: str,
    *,
    channels: int,
    image: int,
    classes: int,
    batch: int = 1,
    other_input: str = "",
    init: Init = "xavier",
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
    sizes = {"channels": channels, "classes": classes} | ({} if other_input else {"image": image})
    match parse(spec):
        case Ours(arch):
            return Network(
                build(arch, channels=channels, image=image, classes=classes, init=init, device=device)
            )
        case Torchvision() as source:
            network = Network(load_torchvision(source, channels=channels, image=image, classes=classes))
        case Timm() as source:
            network = Network(load_timm(source, channels=channels, image=image, classes=classes))
        case ModuleFactory() as source:
            network = load_module(source, sizes, other_input)
        case FileFactory() as source:
            network = load_file(source, sizes, other_input)
    materialise(network, shape, batch)
    network.module.train()
    moved = network.module.to(device)
    # A user's own `train` or `to` may well forget to return the module.
    return replace(network, module=moved) if isinstance(moved, nn.Module) else network
