"""Whose bytes a step's peak is made of: what is alive at the instant of the peak, by kind.

One eager step runs under a mode that sees every operator, in backward too. It knows each storage from the
operator that made it to the moment it is freed. Where the device's allocator counts its bytes, the peak is
the allocator's, and what the operator of the peak took beyond the tensors it left is its workspace. The
allocator of a CPU does not count: there the peak is that of the tensors.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from bench.probes.operator_mode import OperatorMode
from bench.schema.metrics import LEDGER, TENSORS
from bench.schema.phases import Phase
from bench.schema.record import Measurement

if TYPE_CHECKING:
    from bench.contracts.device import Device
    from bench.contracts.steps import Steps

_TRIFLE = 1e-3
"""Of the peak: the outputs of a step, which live until the next, are less but in the smallest networks."""
_ALLOCATED, _REQUESTED = "peak_allocated", "peak_requested"


@dataclass
class _Storage:
    """A storage while it is alive; addresses come again, numbers do not. `saved`: how often autograd keeps
    it for backward."""

    number: int
    size: int
    ended: weakref.ref[torch.UntypedStorage]
    saved: int = 0


@dataclass(frozen=True)
class _Instant:
    """The moment at the end of an operator: the peak so far in bytes, what of it the allocator knows beside
    tensors (kind -> bytes; empty where it does not say), and (number, bytes, whether autograd keeps it) of
    each storage."""

    phase: Phase
    peak: int
    beside: Mapping[str, int]
    alive: tuple[tuple[int, int, bool], ...]


class _Kept:
    """What autograd holds in the place of a tensor that it saves: its end is the end of the saving."""

    def __init__(self, tensor: torch.Tensor, storage: _Storage | None) -> None:
        self.tensor, self._storage = tensor, storage
        if storage is not None:
            storage.saved += 1

    def __del__(self) -> None:
        if self._storage is not None:
            self._storage.saved -= 1


class _Watch(OperatorMode):
    """Knows the living storages of a device, and the instant at which they, or its allocator, peaked."""

    def __init__(self, device: Device, baseline: int) -> None:
        super().__init__()
        self.phase: Phase = "step"
        self.highest: _Instant | None = None
        self._device, self._baseline = device, baseline
        self._type = device.torch_type()
        self.counts = allocator_counts(device)
        self._alive: dict[int, _Storage] = {}
        self._bytes = 0
        self._numbers = itertools.count()

    def begin(self) -> None:
        """Forget the peak so far, but not what is alive."""
        self.highest = None
        self._device.reset_peak()

    def meet(self, tensor: torch.Tensor) -> _Storage | None:
        """The storage behind a tensor; None for what is no memory of this device."""
        if tensor.device.type != self._type or tensor.layout is not torch.strided:
            return None
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        known = self._alive.get(key)
        if known is None:
            ended = weakref.ref(storage, partial(self._forget, key))
            known = self._alive[key] = _Storage(next(self._numbers), 0, ended)
        self._bytes += size - known.size  # a known one may have been resized
        known.size = size
        return known

    def lives_on(self, kinds: Mapping[int, str]) -> bool:
        """Whether a part of the peak that is no trifle is alive, and of none of these kinds."""
        others = sum(storage.size for storage in self._alive.values() if storage.number not in kinds)
        return self.highest is None or others > _TRIFLE * self.highest.peak

    def pack(self, tensor: torch.Tensor) -> _Kept:
        """For torch.autograd.graph.saved_tensors_hooks."""
        return _Kept(tensor, self.meet(tensor))

    def operator(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        results = func(*args, **kwargs)
        # Arguments too: what a module keeps for itself is first met where it is used.
        for each in pytree.tree_leaves((args, kwargs, results)):
            if isinstance(each, torch.Tensor):
                self.meet(each)
        self._look()
        return results

    def _forget(self, key: int, _: object) -> None:
        self._bytes -= self._alive.pop(key).size

    def _look(self) -> None:
        """An operator has ended: remember this instant if its peak is the highest."""
        peak, beside = self._bytes, {}
        if self.counts:
            allocated = self._device.read_peak()[_ALLOCATED]
            self._device.reset_peak()  # from here the peak is what is allocated now
            now = self._device.read_peak()
            beside["workspace"] = allocated - now[_ALLOCATED]
            if _REQUESTED in now:
                beside["rounding"] = now[_ALLOCATED] - now[_REQUESTED]
            peak = allocated - self._baseline
        if self.highest is None or peak > self.highest.peak:
            alive = tuple((s.number, s.size, s.saved > 0) for s in self._alive.values())
            self.highest = _Instant(self.phase, peak, beside, alive)


def allocator_counts(device: Device) -> bool:
    """Whether the device's allocator says what was allocated at most."""
    return device.traits.peak_metric == _ALLOCATED


def peak_ledger(steps: Steps, device: Device, baseline: int) -> list[Measurement]:
    """The ledger in bytes, in the phase of the peak: one figure a kind, and `ledger_peak`; where the device's
    allocator counts also what it knows of BESIDE, and `ledger_residual`, which is the peak less all of them.

    Runs an eager step, and another one where it has phases, where the allocator counts, or where more than a
    thousandth of the peak lives on after it and is of none of the kinds. `baseline` is what was allocated
    before the model was made. Nothing where a step runs no operator.
    """
    watch = _Watch(device, baseline)
    for tensor in itertools.chain.from_iterable(steps.tensors().values()):
        watch.meet(tensor)
    watch.begin()  # the first setup runs operators too
    with watch, torch.autograd.graph.saved_tensors_hooks(watch.pack, lambda kept: kept.tensor):
        _step(steps, watch)
        if steps.phases or watch.counts or watch.lives_on(_kinds(steps, watch)):
            _step(steps, watch)  # now it has met what lives from step to step: the casts that autocast keeps
    if watch.highest is None:
        return []
    return _measurements(watch.highest, _kinds(steps, watch), _kept_by_libraries(device))


def _step(steps: Steps, watch: _Watch) -> None:
    steps.setup()
    watch.begin()
    for phase, call in steps.phases or ((steps.whole_phase, steps.step),):
        watch.phase = phase
        call()


def _kinds(steps: Steps, watch: _Watch) -> dict[int, str]:
    """The kinds of numbered storages, by what they are after the step: a gradient that was just computed at
    the instant of the peak has reached its parameter only now."""
    tensors = steps.tensors()
    kinds: dict[int, str] = {}
    for kind in TENSORS:
        for tensor in tensors.get(kind, ()):
            storage = watch.meet(tensor)
            if storage is not None:
                kinds.setdefault(storage.number, kind)
    return kinds


def _kept_by_libraries(device: Device) -> int | None:
    """Bytes of the device's allocator that libraries hold between calls; None where nobody can tell."""
    device.reset_peak()
    before = device.read_peak()
    if _ALLOCATED not in before or not device.free_library_workspace():
        return None
    device.reset_peak()
    return before[_ALLOCATED] - device.read_peak()[_ALLOCATED]


def _measurements(
    instant: _Instant, kinds: Mapping[int, str], kept_by_libraries: int | None
) -> list[Measurement]:
    sizes = dict.fromkeys(TENSORS, 0)
    for number, size, saved in instant.alive:
        sizes[kinds.get(number, "saved_activations" if saved else "other_tensors")] += size
    if instant.beside:
        sizes |= instant.beside
        if kept_by_libraries is not None:
            sizes["library_workspace"] = kept_by_libraries
        sizes["residual"] = instant.peak - sum(sizes.values())
    sizes["peak"] = instant.peak
    return [
        Measurement(phase=instant.phase, metric=LEDGER[kind], unit="bytes", samples=[float(size)])
        for kind, size in sizes.items()
    ]
