"""What the operators of a step do, each on behalf of the module in whose `forward` it ran.

A dispatch mode sees every operator, however it is called: by a layer, by `torch.nn.functional` or on plain
tensors. Forward, the module is the innermost one whose `forward` is running. Backward, it is the one that
made the node of autograd which is running; what checkpointing runs again there is backward work.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from msgspec import Struct
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from bench.probes.operator_macs import Counted, counted, is_known
from bench.probes.operator_mode import OperatorMode

Kind = Literal["conv", "linear", "attention", "other"]
"""Of a product: `linear` where one factor is not made of the input, as weights are; `attention` where both
are and torch's attention multiplies them; else `other`."""
WorkPhase = Literal["forward", "backward"]

_LINEAR = {
    torch._C._nn.linear,
    torch.bilinear,
    torch.lstm,
    torch.gru,
    torch.rnn_tanh,
    torch.rnn_relu,
    torch.lstm_cell,
    torch.gru_cell,
    torch.rnn_tanh_cell,
    torch.rnn_relu_cell,
}
_ATTENTION = {functional.scaled_dot_product_attention, functional.multi_head_attention_forward}


class ModuleCall(Struct):
    """One run of a module's `forward`.

    name           as in `named_modules`, "" for the network itself
    output_shapes  of the tensors that it returned, in order
    """

    name: str
    output_shapes: tuple[tuple[int, ...], ...] = ()


class OperatorWork(Struct, frozen=True):
    """One call of an operator that multiplies and adds.

    operator   with its namespace, as "aten.convolution"
    call       index of the module's call, in whose `forward` it ran or whose gradient it computes
    elements   of its result
    """

    operator: str
    kind: Kind
    phase: WorkPhase
    call: int
    macs: int
    elements: int


class StepWork(Struct, frozen=True):
    """All of a step.

    unknown      operators that may multiply and add, and of which no formula is known: they count as nothing
    has_complex  whether complex numbers were multiplied, which counts fourfold
    """

    calls: tuple[ModuleCall, ...]
    operators: tuple[OperatorWork, ...]
    unknown: tuple[str, ...] = ()
    has_complex: bool = False

    def macs(self, phase: WorkPhase, kind: Kind | None = None, module: str | None = None) -> int:
        """Of a phase; of one kind, or done for one module without its children, where that is given."""
        return sum(
            each.macs
            for each in self.operators
            if each.phase == phase
            and kind in (None, each.kind)
            and module in (None, self.calls[each.call].name)
        )

    def by_operator(self, phase: WorkPhase) -> dict[str, int]:
        """Multiply-accumulates by operator."""
        sums: dict[str, int] = {}
        for each in self.operators:
            if each.phase == phase:
                sums[each.operator] = sums.get(each.operator, 0) + each.macs
        return sums


class WorkCounter(OperatorMode):
    """Counts what runs while it is entered, in `phase`; `watching` must be entered around it."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.phase: WorkPhase = "forward"
        self.calls: list[ModuleCall] = [ModuleCall("")]
        self.label: Kind | None = None
        self._operators: list[OperatorWork] = []
        self._unknown: dict[str, None] = {}
        self._has_complex = False
        self._running: list[int] = []
        self._last_call: dict[str, int] = {}
        self._origin: dict[int, tuple[int, Kind | None]] = {}
        self._made_of_input = {storage for each in inputs for storage in _storages(each)}

    def work(self) -> StepWork:
        """What was counted so far."""
        return StepWork(tuple(self.calls), tuple(self._operators), tuple(self._unknown), self._has_complex)

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[Callable[[Any], None]]:
        """While a module's `forward` runs; what is yielded takes its output."""
        again = torch._C._current_autograd_node() is not None and name in self._last_call
        if not again:
            # The network itself has a call of its own from the start.
            if name or "" in self._last_call:
                self.calls.append(ModuleCall(name))
            self._last_call[name] = len(self.calls) - 1
        call = self._last_call[name]
        self._running.append(call)
        try:
            yield functools.partial(self._note_output, call)
        finally:
            self._running.pop()

    def _note_output(self, call: int, output: Any) -> None:
        shapes = (tuple(each.shape) for each in tree_leaves(output) if isinstance(each, Tensor))
        self.calls[call].output_shapes = tuple(shapes)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[None]:
        """Its products are attention's where it is attention."""
        before = self.label
        self.label = "attention" if "attention" in name else before
        try:
            yield
        finally:
            self.label = before

    def closed(self, name: str) -> None:
        """Note that something is not counted."""
        self._unknown[f"higher_order.{name}"] = None

    def operator(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        known = is_known(func)
        if not known:
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        name = f"{func._schema.name}".replace("::", ".")
        if not known:
            self._unknown[name] = None
        found = counted(func, args, kwargs, result)
        call, kind = self._attributed(found)
        if found is not None:
            self._has_complex |= any(each.is_complex() for each in found.factors)
            self._operators.append(
                OperatorWork(name, kind or "other", self.phase, call, found.macs, _elements(result))
            )
        self._follow((args, kwargs), result)
        return result

    def _attributed(self, found: Counted | None) -> tuple[int, Kind | None]:
        """The call on whose behalf an operator runs, and what it is."""
        node = torch._C._current_autograd_node()
        kind = None if found is None else self._kind(found)
        if node is not None and not torch.is_grad_enabled():
            call, forward_kind = self._origin.get(node._sequence_nr(), (0, None))
            return (self._running[-1] if self._running else call), forward_kind or kind
        if self._running:
            call = self._running[-1]
        else:
            call = self._origin.get(node._sequence_nr(), (0, None))[0] if node is not None else 0
        # Autograd has made the operator's node by now, and that has the last number given out. A function
        # with a backward of its own may run several operators, without gradients, under one node.
        last = torch.autograd._get_sequence_nr() - 1
        first_call, first_kind = self._origin.get(last, (call, None))
        self._origin[last] = (first_call, first_kind or kind)
        return call, kind

    def _kind(self, found: Counted) -> Kind:
        match found.sort:
            case "convolution":
                return "conv"
            case "attention":
                return "attention"
            case "recurrent":
                return "linear"
        if self.label == "linear":
            return "linear"
        made_of_input = [bool(self._made_of_input & set(_storages(each))) for each in found.factors]
        if self.label == "attention":
            return "attention" if all(made_of_input) else "linear"
        return "linear" if sum(made_of_input) == 1 else "other"

    def _follow(self, given: Any, result: Any) -> None:
        """Keep track of what is made of the input; memory that is used again is written first."""
        sources = {storage for each in tree_leaves(given) for storage in _storages(each)}
        made = {storage for each in tree_leaves(result) for storage in _storages(each)}
        if sources & self._made_of_input:
            self._made_of_input |= made
        else:
            self._made_of_input -= made


class _Labels(TorchFunctionMode):
    """Tells a counter which function of torch a product belongs to."""

    def __init__(self, counter: WorkCounter) -> None:
        super().__init__()
        self._counter = counter

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        label: Kind | None = "linear" if func in _LINEAR else "attention" if func in _ATTENTION else None
        before = self._counter.label
        self._counter.label = label or before
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._counter.label = before


@contextlib.contextmanager
def watching(module: nn.Module, counter: WorkCounter) -> Iterator[None]:
    """While the module runs for a counter: every `forward` in it tells when it begins and ends."""
    watched = [
        (name, part) for name, part in module.named_modules() if "parametrizations" not in name.split(".")
    ]
    before = [part.__dict__.get("forward") for _, part in watched]
    try:
        for name, part in watched:
            part.__dict__["forward"] = _telling(part.forward, name, counter)
        with (
            without_fast_path(),
            torch.autograd.set_multithreading_enabled(False),
            _Labels(counter),
            counter,
        ):
            yield
    finally:
        for (_, part), own in zip(watched, before, strict=True):
            part.__dict__.pop("forward", None)
            if own is not None:
                part.__dict__["forward"] = own


@contextlib.contextmanager
def without_fast_path() -> Iterator[None]:
    """Attention goes through its parts, and not through the one operator that inference may take."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _telling(forward: Callable[..., Any], name: str, counter: WorkCounter) -> Callable[..., Any]:
    """The same `forward`, which tells the counter."""

    @functools.wraps(forward)
    def told(*args: Any, **kwargs: Any) -> Any:
        with counter.inside(name) as note_output:
            output = forward(*args, **kwargs)
            note_output(output)
        return output

    return told


def _storages(value: Any) -> tuple[int, ...]:
    if not isinstance(value, Tensor):
        return ()
    try:
        return (value.untyped_storage()._cdata,)
    except (NotImplementedError, RuntimeError):  # sparse and some wrapped tensors have none
        return ()


def _elements(result: Any) -> int:
    first = next((each for each in tree_leaves(result) if isinstance(each, Tensor)), None)
    return 0 if first is None else first.numel()
