"""A network as it was loaded, and what one call of it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only


@dataclass(frozen=True)
class Arguments:
    """What one call of a network is given; tensors may also lie inside of lists, tuples and dicts."""

    positional: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def call(self, network: Callable[..., Any]) -> Any:
        """What the network returns for them."""
        return network(*self.positional, **self.keywords)

    def tensors(self) -> list[Tensor]:
        """Every tensor among them, in order."""
        return [
            each for each in tree_leaves((self.positional, dict(self.keywords))) if isinstance(each, Tensor)
        ]

    def described(self) -> str:
        """Shapes and dtypes of the tensors, `4x12 int64, 4x1 float32`."""
        return ", ".join(
            f"{'x'.join(map(str, each.shape)) or 'scalar'} {str(each.dtype).removeprefix('torch.')}"
            for each in self.tensors()
        )

    def each(self, another: Callable[[Tensor], Tensor]) -> Arguments:
        """The same arguments with `another` tensor in place of each."""
        positional, keywords = tree_map_only(Tensor, another, (self.positional, dict(self.keywords)))
        return Arguments(positional, keywords)

    def on(self, device: torch.device | str) -> Arguments:
        """The same arguments on a device; zeros in place of what lies on `meta` and so has no data."""

        def moved(tensor: Tensor) -> Tensor:
            if tensor.is_meta and torch.device(device).type != "meta":
                return torch.zeros_like(tensor, device=device)
            return tensor.to(device)

        return self.each(moved)


Inputs: TypeAlias = Callable[[int, torch.device], Arguments]
"""From a batch and a device to the arguments of one call."""


@dataclass(frozen=True)
class Network:
    """A module, and what its author says it takes.

    inputs         what makes its arguments; None for a network of images
    was_compiled   whether a torch.compile of its author's was taken off
    ignores_seed   whether its first weights are the same after every seed
    lost_settings  of the process, which loading it changed for good
    sources        of a user's network the files that it came from, path -> digest; else empty
    """

    module: nn.Module
    inputs: Inputs | None = None
    was_compiled: bool = False
    ignores_seed: bool = False
    lost_settings: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
