"""What a module is, as a digest: the same in every process, on every device and whatever its weights hold.

Of torch's own classes every plain setting counts. A user's class may also hold what differs from process to
process (a time, a path, a random number), so of it only truth values, small integers, names and functions do.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bench.schema.network_fingerprint import NetworkFingerprint, Part, SourceFile

MOST_PARTS = 64
"""Modules that a record names: a ResNet-152 has 500, and its blocks say where it differs."""
_MOST_KIND = 80
"""Characters of a module's description."""
_SMALL = 2**16
"""Integers up to here are sizes; beyond, they are more often addresses, seeds and times."""
_MOST_NAME = 24
"""Characters of a text that is a mode or a name, and no path, date or identifier."""
_LIBRARIES = ("torch", "torchvision")


def fingerprint(module: nn.Module, sources: Iterable[SourceFile] = ()) -> NetworkFingerprint:
    """The fingerprint without FLOPs; the module is as it was loaded. Reads no weight."""
    own = {id(part): _Own(_settings(part), _tensors(part)) for part in module.modules()}
    named = [(name, own[id(part)]) for name, part in module.named_modules(remove_duplicate=False)]
    parameters = list(module.parameters())
    return NetworkFingerprint(
        structure=_hash("\n".join(f"{name}\n{each.settings}" for name, each in named)),
        weights=_hash("\n".join([*(f"{name}\n{each.tensors}" for name, each in named), *_tied(module)])),
        parameters=sum(each.numel() for each in parameters),
        trainable=sum(each.numel() for each in parameters if each.requires_grad),
        modules=len(own),
        parts=tuple(_parts(module, own)),
        sources=tuple(sources),
    )


class _Own(NamedTuple):
    """Of a module without what is below it."""

    settings: str
    tensors: str


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tied(module: nn.Module) -> Iterator[str]:
    """Of each name of a parameter, the name under which it came first, where that is another."""
    first: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if first.setdefault(id(parameter), name) != name:
            yield f"{name} is {first[id(parameter)]}"


def _parts(module: nn.Module, own: Mapping[int, _Own]) -> Iterator[Part]:
    """Level by level from the root, in the order of the tree at each."""
    digests: dict[int, str] = {}
    _digest(module, own, digests)
    waiting = deque([("", module)])
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        name, part = waiting.popleft()
        yield Part(name, _kind(part), digests[id(part)])
        waiting.extend((f"{name}.{below}".removeprefix("."), child) for below, child in part.named_children())


def _digest(part: nn.Module, own: Mapping[int, _Own], known: dict[int, str]) -> str:
    """Of a module and all below it."""
    if id(part) not in known:
        below = "".join(f"\n{name} {_digest(child, own, known)}" for name, child in part.named_children())
        known[id(part)] = _hash("\n".join(own[id(part)]) + below)[:8]
    return known[id(part)]


def _kind(part: nn.Module) -> str:
    """As torch prints its own classes; of others the name alone, since they may print anything."""
    said = part.extra_repr() if _is_of_library(part) and not isinstance(part, torch.jit.ScriptModule) else ""
    text = f"{_class_name(part)}({said})" if said else _class_name(part)
    return text if len(text) <= _MOST_KIND else f"{text[: _MOST_KIND - 3]}..."


def _class_name(part: nn.Module) -> str:
    if isinstance(part, torch.jit.ScriptModule):
        return str(part.original_name)
    return type(part).__qualname__.rpartition(".")[2]


def _is_of_library(part: nn.Module) -> bool:
    return type(part).__module__.partition(".")[0] in _LIBRARIES


def _settings(part: nn.Module) -> str:
    """The class and its plain attributes, `stride=(2, 2)`, a line each."""
    trusted = _is_of_library(part)
    found = ((name, _plain(value, trusted)) for name, value in sorted(vars(part).items()) if _is_public(name))
    lines = (f"{name}={text}" for name, text in found if text is not None)
    return "\n".join((_class_name(part), *lines))


def _is_public(name: str) -> bool:
    return not name.startswith("_") and name != "training"  # the workload chooses the mode


def _plain(value: object, trusted: bool) -> str | None:
    """A setting as text; None for what is none."""
    if value is None or isinstance(value, bool | torch.dtype):
        return str(value)
    if isinstance(value, int):
        return str(int(value)) if trusted or abs(value) <= _SMALL else None
    if isinstance(value, float):
        return repr(value) if trusted else None
    if isinstance(value, str):
        return repr(value) if trusted or (value.isidentifier() and len(value) <= _MOST_NAME) else None
    if isinstance(value, FunctionType | BuiltinFunctionType | type):
        return (
            None if "<" in value.__qualname__ else value.__qualname__
        )  # what is made while it runs has no name
    if isinstance(value, tuple | list) and len(value) <= MOST_PARTS:
        items = [_plain(item, trusted) for item in value]
        return f"({', '.join(item for item in items if item is not None)})" if None not in items else None
    return None


def _tensors(part: nn.Module) -> str:
    """Parameters and buffers of this module itself, a line each."""
    lines = [
        f"{name} {_shape(parameter)} {'trainable' if parameter.requires_grad else 'frozen'}"
        for name, parameter in part.named_parameters(recurse=False, remove_duplicate=False)
    ]
    buffers = part.named_buffers(recurse=False, remove_duplicate=False)
    return "\n".join([*lines, *(f"{name} {_shape(buffer)}" for name, buffer in buffers)])


def _shape(tensor: Tensor) -> str:
    sizes = "x".join(map(str, tensor.shape))
    return f"{sizes} {str(tensor.dtype).removeprefix('torch.')}"
