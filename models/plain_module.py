"""A user's module without what torch.compile put around it, and without what cannot be switched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType

import torch
from torch import nn

from models.errors import UserError


def plain(module: nn.Module) -> tuple[nn.Module, bool]:
    """The module as its classes say it, and whether that is another than was given.

    What `torch.compile(net)` and `net.compile()` made of it or of a part is taken off; so is a torch.compile
    around methods of its classes, and around functions of the files in which these classes stand.
    """
    whole = _original(module)
    found = whole is not module
    for part in list(whole.modules()):
        for name, child in part._modules.items():
            if child is not None and _original(child) is not child:
                part._modules[name], found = _original(child), True
        if part._compiled_call_impl is not None:
            part._compiled_call_impl, found = None, True
    owners = {id(owner): owner for part in whole.modules() for owner in _owners(part)}
    for owner in owners.values():
        for name, value in list(vars(owner).items()):
            # What torch.compiler.disable returns has no such attribute.
            if isinstance(value, FunctionType) and "_torchdynamo_inline" in vars(value):
                setattr(owner, name, vars(value)["_torchdynamo_inline"])
                found = True
    return whole, found


def refuse_script(module: nn.Module, name: str) -> None:
    """Raises UserError where torch.jit made the module or a part of it, whose layers nobody can see."""
    for part, each in module.named_modules():
        if isinstance(each, torch.jit.ScriptModule):
            where = f" in {part}" if part else ""
            raise UserError(
                f"{name} returned a TorchScript module{where}, made by torch.jit.script or "
                "torch.jit.trace. Give a function that returns the nn.Module"
            )


def switched(module: nn.Module, name: str) -> None:
    """Into training mode. Raises UserError for a module that takes one mode only."""
    try:
        module.train()
    except Exception as error:
        raise UserError(
            f"{name} returned a module that cannot switch between training and evaluation, such as one "
            "of torch.export. Give a function that returns the nn.Module "
            f"({type(error).__name__}: {error})"
        ) from error


def _original(module: nn.Module) -> nn.Module:
    """torch's class is sought among what is imported: importing the compiler takes seconds."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    while compiler is not None and isinstance(module, compiler.OptimizedModule):
        module = module._orig_mod
    return module


def _owners(module: nn.Module) -> Iterator[nn.Module | type | ModuleType]:
    """Whose attributes may be functions that it calls: itself, its classes, and the files of these."""
    yield module
    for kind in type(module).__mro__:
        if kind.__module__.partition(".")[0] not in ("torch", "builtins"):
            yield kind
            if kind.__module__ in sys.modules:
                yield sys.modules[kind.__module__]
