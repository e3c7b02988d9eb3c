"""What memory a step needs: a pass of its own, after the timing, because autotuning inflates the peak."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.schema.phases import Phase
from bench.schema.record import Measurement

if TYPE_CHECKING:
    import torch

    from bench.contracts.device import Device
    from bench.contracts.steps import Steps


def _bytes(phase: Phase, metric: str, size: int, unit: str = "bytes") -> Measurement:
    return Measurement(phase=phase, metric=metric, unit=unit, samples=[float(size)])


_OF_ALLOCATIONS = ("peak_allocated", "peak_requested")
"""Peaks that a device counts at calls of its allocator."""


def memory_pass(
    steps: Steps, device: Device, baseline: int, replays_graphs: bool = False
) -> list[Measurement]:
    """Sizes by kind, saved activations, and the peaks of each phase and of the step over `baseline` bytes.

    A replayed graph uses what was allocated at its capture: the peaks of allocations are then left out.
    """
    saved = _saved_activations(steps) if steps.phases else None
    device.release_memory()
    peaks = _peaks(steps, device, baseline)
    sizes = {kind: storage_bytes(tensors) for kind, tensors in steps.tensors().items()}
    measured = [_bytes("model", kind, size) for kind, size in sizes.items()]
    if saved is not None:
        measured.append(_bytes("forward", "saved_activations", saved))
    measured += [m for m in peaks if not (replays_graphs and m.metric in _OF_ALLOCATIONS)]
    for metric, value in device.read_memory().items():
        unit = "count" if metric == "allocation_retries" else "bytes"
        measured.append(_bytes("model", metric, value, unit))
    return measured


def _peaks(steps: Steps, device: Device, baseline: int) -> list[Measurement]:
    """One step, the peak read after each phase; the step's peak is the largest of its phases'."""
    calls = steps.phases or ((steps.whole_phase, steps.step),)
    steps.setup()
    largest: dict[str, int] = {}
    measured = []
    for phase, call in calls:
        device.reset_peak()
        call()
        device.synchronise()
        for metric, value in device.read_peak().items():
            over = max(0, value - baseline)
            measured.append(_bytes(phase, metric, over))
            largest[metric] = max(over, largest.get(metric, 0))
    if steps.phases:
        measured += [_bytes(steps.whole_phase, metric, value) for metric, value in largest.items()]
    return measured


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the distinct storages behind the tensors: views and shared weights count once."""
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


def _saved_activations(steps: Steps) -> int:
    """Bytes that autograd keeps from forward to backward, less what is alive anyway (weights, inputs)."""
    import torch

    steps.setup()  # first: it frees the gradients, whose addresses the activations may then take
    alive = {t.untyped_storage().data_ptr() for several in steps.tensors().values() for t in several}
    kept: dict[int, int] = {}
    held: list[torch.Tensor] = []  # keeps every storage alive, so that no address is counted for another

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in alive:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        steps.phases[0][1]()
    held.clear()
    for _, call in steps.phases[1:]:
        call()
    return sum(kept.values())
