"""A dispatch mode that sees every operator, those of torch's conditions and of its flexible attention too.

Torch runs the functions that a higher-order operator takes below the mode that the operator was met in.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class OperatorMode(TorchDispatchMode):
    """While it is entered `operator` is called in the place of each operator."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @abstractmethod
    def operator(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Run the operator; what it gives."""

    def open(self, name: str) -> AbstractContextManager[None]:
        """While the operators inside a higher-order one run, each of which is seen."""
        return nullcontext()

    def closed(self, name: str) -> None:
        """A higher-order operator is about to run whose own operators are not seen."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if not isinstance(func, torch._ops.HigherOrderOperator):
            return self.operator(func, args, given)
        run = _RUNS.get(func.name())
        if run is None:
            self.closed(func.name())
            return func(*args, **given)
        with self, self.open(func.name()):
            return run(func, args, given)


def _condition(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    holds, then, otherwise, operands = args
    return (then if holds else otherwise)(*operands)


def _attention(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return func.py_kernels[torch._C.DispatchKey.CompositeExplicitAutograd](*args, **kwargs)


_RUNS: dict[str, Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]] = {
    "cond": _condition,
    "flex_attention": _attention,
}
"""What a higher-order operator does, in operators that are none."""
