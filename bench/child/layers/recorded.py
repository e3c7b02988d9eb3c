"""One step under a mode that sees every operator, and on whose behalf it ran.

An operator belongs to the layer whose `forward` runs, in backward to the one whose `forward` made the node.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.child.layers.layer_calls import LayerCall, Operand
from bench.child.layers.layer_kinds import layers_of
from bench.child.layers.watched_forwards import ForwardWatch, in_backward, tensors_in, watched_forwards
from bench.probes.operator_macs import Counted, counted, is_known
from bench.probes.operator_mode import OperatorMode
from bench.probes.traffic import ALLOCATIONS, is_view, part_key, tensor_bytes
from bench.schema.layer_phases import BETWEEN, LOSS

aten = torch.ops.aten


class Recording(NamedTuple):
    """What ran.

    calls      of the layers, in their order
    outside    what ran in no layer's `forward`, and in backward of no layer's node
    computing  the modules with children that are layers since they multiply matrices themselves
    """

    calls: list[LayerCall]
    outside: list[LayerCall]
    computing: Collection[nn.Module]


def record(module: nn.Module, run: Callable[[], None]) -> Recording:
    """What the layers of the module do while `run` runs: twice, where the first time shows that a module with
    children is a layer too."""
    recorder = _recorded(module, (), run)
    if recorder.computing:
        recorder = _recorded(module, frozenset(recorder.computing), run)
    return Recording(recorder.calls, [recorder.between, recorder.loss], frozenset(recorder.given))


def _recorded(module: nn.Module, computing: Collection[nn.Module], run: Callable[[], None]) -> _Recorder:
    recorder = _Recorder(module, computing)
    with watched_forwards(module.modules(), recorder.around), _Operators(recorder.ran):
        run()
    recorder.finish()
    return recorder


class _Operators(OperatorMode):
    """Tells of every operator, after it ran."""

    def __init__(self, ran: Callable[[Any, Sequence[Any], dict[str, Any], Any], None]) -> None:
        super().__init__()
        self._ran = ran

    def operator(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        result = func(*args, **kwargs)
        self._ran(func, args, kwargs, result)
        return result


class _Storages:
    """Numbers of storages: addresses come again, numbers do not."""

    def __init__(self) -> None:
        self._alive: dict[int, tuple[int, weakref.ref[torch.UntypedStorage]]] = {}
        self._count = itertools.count()

    def number(self, tensor: Tensor) -> int:
        storage = tensor.untyped_storage()
        address = storage._cdata
        if address not in self._alive:
            ended = weakref.ref(storage, lambda _: self._alive.pop(address))
            self._alive[address] = next(self._count), ended
        return self._alive[address][0]


class _Recorder(ForwardWatch[LayerCall]):
    """Adds up what the operators of each call do."""

    def __init__(self, module: nn.Module, computing: Collection[nn.Module]) -> None:
        super().__init__()
        self.calls: list[LayerCall] = []
        self.between, self.loss = (LayerCall(layer, module, ()) for layer in (BETWEEN, LOSS))
        self.computing: set[nn.Module] = set()
        self.given = computing
        self._layers = {part: layer for layer, part in layers_of(module, computing)}
        self._parts: list[nn.Module] = []
        self._storages = _Storages()
        self._weights: dict[int, list[Tensor]] = {}
        for each in filter(_is_dense, module.parameters()):
            self._weights.setdefault(self._storages.number(each), []).append(each)
        self._buffers = {self._storages.number(each) for each in module.buffers() if _is_dense(each)}
        self._writers: dict[int, LayerCall] = {}
        self._places = itertools.count()
        self._estimates: dict[LayerCall, int] = {}
        self._ran_backward: set[LayerCall] = set()
        self._running: LayerCall | None = None

    def enter(self, part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> LayerCall | None:
        self._parts.append(part)
        layer = self._layers.get(part)
        if layer is None:
            return None
        given = tuple(map(_without_data, tensors_in((args, kwargs))))
        call = LayerCall(layer, part, given, recomputed=in_backward())
        self.calls.append(call)
        return call

    def leave(self, part: nn.Module, owner: LayerCall | None) -> None:
        self._parts.pop()

    def returned(self, owner: LayerCall | None, outputs: Any) -> None:
        made = tensors_in(outputs)
        if owner is None or not made:
            return
        owner.outputs = tuple(map(_without_data, made))
        if not made[0].requires_grad:
            # Autocast keeps its copies from one step to the next, and only these are read.
            for operand in owner.read.values():
                operand.parts |= operand.copies
        for each in filter(_is_dense, made):
            written = owner.written.get(self._storages.number(each))
            if written is not None:
                written.leaves = True
        if made[0].grad_fn is not None:
            made[0].grad_fn.register_prehook(partial(_arrived, owner, made[0].output_nr))

    def node_runs(self, owner: LayerCall) -> None:
        self._running = owner
        self._ran_backward.add(owner)

    def ran(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> None:
        """An operator, on behalf of whatever is running."""
        inside = bool(self.stack)
        call = self.stack[-1] if self.stack else self._running if in_backward() else None
        work = counted(func, args, kwargs, result)
        if inside and work and self._parts[-1] not in self._layers:
            self.computing.add(self._parts[-1])
        ahead = inside or not in_backward()
        self._add(call or (self.between if ahead else self.loss), func, work, result, ahead=ahead)
        if ahead:
            self._move(call, func, (args, kwargs), result)

    def finish(self) -> None:
        """Where nothing ran in backward, the FLOPs of backward are those that would be."""
        for call in self.calls:
            if call.recomputed and not call.outputs:  # it broke off when the last was there that was wanted
                for each in call.written.values():
                    each.leaves = True
            if not self._ran_backward:
                call.flops_backward = self._estimates.get(call)
            elif call not in self._ran_backward:
                for each in call.read.values():
                    each.differentiated = False

    def _add(self, call: LayerCall, func: Any, work: Counted | None, result: Any, *, ahead: bool) -> None:
        """The FLOPs of an operator."""
        if work is None:
            if not is_known(func):
                call.uncounted.add(func._schema.name)
        elif ahead:
            call.products.append(next(self._places))
            call.flops = (call.flops or 0) + 2 * work.macs
            self._estimates[call] = self._estimates.get(call, 0) + 2 * work.macs * _gradients(work, result)
        else:
            call.flops_backward = (call.flops_backward or 0) + 2 * work.macs

    def _move(self, call: LayerCall | None, func: Any, given: Any, result: Any) -> None:
        """What an operator reads and writes, unless it makes a view."""
        read, written = _dense_in(given), _dense_in(result)
        if (
            func.overloadpacket in ALLOCATIONS
        ):  # they write nothing, and whoever makes a tensor need not read it
            if call is not None:
                call.written |= {self._storages.number(each): Operand(_whole(each)) for each in written}
            return
        if is_view(func, read, written):
            return
        for each in read:
            number = self._storages.number(each)
            writer = self._writers.get(number)
            if writer is not None and writer is not call:
                writer.written[number].leaves = True
            if call is not None and number not in call.written and number not in self._buffers:
                self._read(call, number, each, func, written)
        for each in written:
            number = self._storages.number(each)
            if call is None:
                self._writers.pop(number, None)
            elif number not in self._buffers:
                self._writers[number] = call
                operand = call.written.setdefault(number, Operand(_whole(each)))
                operand.parts[part_key(each)] = tensor_bytes(each)

    def _read(self, call: LayerCall, number: int, tensor: Tensor, func: Any, written: list[Tensor]) -> None:
        weights = self._weights.get(number)
        asked = any(each.requires_grad for each in weights or [tensor])
        operand = call.read.setdefault(number, Operand(_whole(tensor), weight=weights is not None))
        operand.differentiated |= asked
        operand.parts[part_key(tensor)] = tensor_bytes(tensor)
        if weights and asked and func.overloadpacket is aten._to_copy:
            operand.copies[part_key(tensor)] = tensor_bytes(written[0])


def _gradients(work: Counted, result: Any) -> int:
    """How many gradients backward will compute, each with the MACs of forward."""
    if work.factors:
        return sum(each.requires_grad for each in work.factors)
    return 2 * any(each.requires_grad for each in _dense_in(result))


def _arrived(call: LayerCall, output: int, gradients: Sequence[Tensor | None]) -> None:
    gradient = gradients[output] if output < len(gradients) else None
    if gradient is not None:
        call.gradient = _without_data(gradient)


def _dense_in(nested: Any) -> list[Tensor]:
    return [each for each in tree_leaves(nested) if isinstance(each, Tensor) and _is_dense(each)]


def _is_dense(tensor: Tensor) -> bool:
    """Others have no storage of their own."""
    return tensor.layout is torch.strided


def _whole(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()


def _without_data(tensor: Tensor) -> Tensor:
    """On `meta`: the same shape, dtype and, of a dense tensor, strides."""
    empty = torch.empty_like(tensor, device="meta", requires_grad=False)
    return empty.requires_grad_(tensor.requires_grad and tensor.is_floating_point())
