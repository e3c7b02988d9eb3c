"""Whose `forward` runs, whoever calls it and however, and which nodes of autograd's graph it made.

A hook would not see `layer.forward(x)`, and torch leaves its fast paths where it finds one: the `forward` of
each instance is replaced for a while instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils._pytree import tree_leaves

Owner = TypeVar("Owner")
Forward = Callable[..., Any]
Around = Callable[[nn.Module, Forward, tuple[Any, ...], dict[str, Any]], Any]
"""Called in the place of a module's `forward`, which it is given with the arguments and is to call."""


@contextmanager
def watched_forwards(parts: Iterable[nn.Module], around: Around) -> Iterator[None]:
    """Every call of a part's `forward`, with positional arguments or keywords, goes through `around`."""
    with ExitStack() as undo:
        for part in parts:
            undo.callback(_replace(part, around))
        yield


def _replace(part: nn.Module, around: Around) -> Callable[[], None]:
    """Returns what undoes it."""
    forward, own = part.forward, part.__dict__
    before = own.get("forward")

    @wraps(forward)
    def watched(*args: Any, **kwargs: Any) -> Any:
        return around(part, forward, args, kwargs)

    # past the `__setattr__` of classes that check what they are given
    own["forward"] = watched
    return partial(own.pop, "forward") if before is None else partial(own.__setitem__, "forward", before)


def tensors_in(nested: Any) -> list[Tensor]:
    """The tensors of a tree: what torch does not know for a container, such as a dataclass, holds its own as
    attributes."""
    found: list[Tensor] = []
    for leaf in tree_leaves(nested):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif not isinstance(leaf, nn.Module | type):
            found += (each for each in tree_leaves(dict(_attributes(leaf))) if isinstance(each, Tensor))
    return found


def _attributes(thing: object) -> Mapping[str, Any]:
    return getattr(thing, "__dict__", None) or {}


class ForwardWatch(ABC, Generic[Owner]):
    """Follows one step: which owner's `forward` runs, and in backward whose node.

    Nodes belong to the owner whose `forward` made them; autograd numbers them as they are made, in each
    thread. What runs inside an owner's `forward` and is nobody's is the owner's.
    """

    def __init__(self) -> None:
        self.stack: list[Owner | None] = []
        self._starts: list[int] = []
        self._owners: list[Owner | None] = []

    @abstractmethod
    def enter(self, part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Owner | None:
        """The part's `forward` begins; returns to whom it belongs, or None where it is no one's own."""

    @abstractmethod
    def leave(self, part: nn.Module, owner: Owner | None) -> None:
        """It has ended, in an exception too: recomputation breaks off where it has what it needs."""

    def returned(self, owner: Owner | None, outputs: Any) -> None:
        """It gave these outputs."""

    @abstractmethod
    def node_runs(self, owner: Owner) -> None:
        """A node of the owner's begins in backward."""

    def around(self, part: nn.Module, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As `Around`."""
        outermost = not self.stack
        if outermost:
            self._starts, self._owners = [], []
        owner = self.enter(part, args, kwargs)
        self.stack.append(owner or (self.stack[-1] if self.stack else None))
        self._nodes_begin()
        try:
            outputs = forward(*args, **kwargs)
        finally:
            self.stack.pop()
            self._nodes_begin()
            self.leave(part, owner)
        self.returned(owner, outputs)
        if outermost:
            self.follow(outputs)
        return outputs

    def follow(self, outputs: Any) -> None:
        """Be told of the nodes that lead to these outputs, once they run."""
        for node in _nodes(outputs, self._starts[0]):
            owner = self._owners[bisect_right(self._starts, _number(node)) - 1]
            if owner is not None:
                node.register_prehook(partial(self._tell, owner))

    def _nodes_begin(self) -> None:
        """From here on they are those of the `forward` that runs."""
        self._starts.append(torch.autograd._get_sequence_nr())
        self._owners.append(self.stack[-1] if self.stack else None)

    def _tell(self, owner: Owner, gradients: object) -> None:
        self.node_runs(owner)


def _nodes(outputs: Any, since: int) -> Collection[Node]:
    """The gradients' accumulators, which have the highest number of all, are nobody's work."""
    accumulators = 2**63
    waiting = [each.grad_fn for each in tensors_in(outputs) if each.grad_fn is not None]
    found: dict[Node, None] = {}
    while waiting:
        node = waiting.pop()
        if node not in found and since <= _number(node) < accumulators:
            found[node] = None
            waiting += (each for each, _ in node.next_functions if each is not None)
    return found


def _number(node: Node) -> int:
    return int(node._sequence_nr())


def in_backward() -> bool:
    """Whether autograd runs a node: a `forward` that is called there is a recomputation."""
    return torch._C._current_autograd_node() is not None
