"""Compiled code by torch.profiler: what runs, for how long, and which layer of the network it computes.

A compiler fuses what stands between convolutions and matrix products, but keeps these; they are recognised in
the profile and given the names of their layers. All else goes by the compiler's own names.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any

from torch import nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from bench.child.layers.layer_calls import LayerCall
from bench.contracts.device import Device
from bench.contracts.steps import Steps
from bench.schema.layer_phases import BETWEEN, KERNEL, UPDATE, Layer, LayerPart, part_of

_PHASE = "convbench "
"""Before the name of a phase, in the profile."""
_OPERATOR = re.compile(r"\w+::\w+|\w*(cpp|triton)_\w+")
"""What does work, in a profile of a CPU; what is left over calls it."""
_PRODUCT = re.compile(r"conv|linear|gemm|addmm|\bb?mm\b", re.IGNORECASE)
_FUSED = re.compile(r"(cpp|triton_poi|triton_per|triton_red)_fused")
"""What Inductor writes itself. Its names tell what it stands beside: `cpp_fused_convolution_relu_0`."""
_RUNTIME = re.compile(r"cu(da)?[A-Z]\w*")
"""Calls of CUDA's own (`cudaDeviceSynchronize`). torch 2.11 numbers those outside of operators as it numbers
operators, and hands them the kernels of the one that has their number."""
_ROUNDING_SECONDS = 1e-9


def activities(device: Device) -> list[ProfilerActivity]:
    """What torch.profiler is to watch."""
    name = device.traits.profiler
    return [ProfilerActivity.CPU, getattr(ProfilerActivity, name)] if name else [ProfilerActivity.CPU]


def show_kernels() -> None:
    """Let Inductor's C++ kernels appear in profiles by their names; to be called before it compiles. Costs a
    fraction of a microsecond at each kernel."""
    from torch._inductor import config

    config.cpp.enable_kernel_profile = True


@dataclass(frozen=True)
class _Work:
    """Something that ran once: `dims` are the sizes of its operands where it is a product, else None."""

    name: str
    seconds: float
    dims: frozenset[int] | None


class ProfiledSteps:
    """Steps of a case whose module is compiled or replayed, timed by kernel."""

    def __init__(self, calls: Sequence[LayerCall], steps: Steps, device: Device) -> None:
        self._calls = calls
        self._steps = steps
        self._phases = steps.phases or ((steps.whole_phase, steps.step),)
        self._device = device

    def time(self) -> dict[LayerPart, float]:
        """One step: the seconds of every kernel and layer, those of one name added up, in the order of their
        beginnings. The whole of a phase on a CPU; on a GPU the time in which it works."""
        self._steps.setup()
        self._device.synchronise()
        with profile(activities=activities(self._device), record_shapes=True) as trace:
            for phase, call in self._phases:
                with record_function(_PHASE + phase):
                    call()
                    self._device.synchronise()
        events = sorted(trace.events() or (), key=lambda event: event.time_range.start)
        kind = self._device.traits.profiler
        read = partial(_on_gpu, kind=getattr(DeviceType, kind)) if kind else _on_cpu
        found: dict[LayerPart, float] = {}
        for phase, _ in self._phases:
            for layer, seconds in self._named(phase, list(read(events, phase))):
                piece = LayerPart(part_of(phase), layer)
                found[piece] = found.get(piece, 0.0) + seconds
        return found

    def _named(self, phase: str, works: Sequence[_Work]) -> Iterator[tuple[Layer, float]]:
        """Each work with the layer that it computes, or with a name of its own."""
        if phase == "optimizer":
            yield UPDATE, sum(work.seconds for work in works)
            return
        computed = _layers_of(phase, self._calls, [work for work in works if work.dims is not None])
        for work in works:
            layer = computed.popleft() if work.dims is not None else None
            own = BETWEEN if work.name == BETWEEN.name else Layer(work.name, KERNEL)
            yield layer or own, work.seconds


def _layers_of(phase: str, calls: Sequence[LayerCall], products: Sequence[_Work]) -> deque[Layer | None]:
    """For each product of a phase the layer that it computes, or None where that is not sure.

    Forward runs in the order of the network. In backward the convolutions run in the opposite order, one
    operator each; the two products of a linear layer, which a compiler may move, are known by their sizes,
    unless several layers have the same.
    """
    if phase == "forward":
        ahead = sorted(((place, call.layer) for call in calls for place in call.products), key=itemgetter(0))
        alike = len(ahead) == len(products)
        return deque(layer for _, layer in ahead) if alike else deque(None for _ in products)
    if phase != "backward":  # the whole step as one
        return deque(None for _ in products)
    calls = [call for call in calls if call.weight is not None]
    back = deque(call.layer for call in reversed(calls) if not isinstance(call.module, nn.Linear))
    alike = len(back) == sum("conv" in work.name for work in products)
    linear = [call for call in calls if isinstance(call.module, nn.Linear)]
    alike_in_size = Counter(dims for dims, _ in {(_dims(call), call.layer) for call in linear})
    sized = {_dims(call): call.layer for call in linear if alike_in_size[_dims(call)] == 1}
    return deque(
        (back.popleft() if alike else None) if "conv" in work.name else sized.get(work.dims or frozenset())
        for work in products
    )


def _dims(call: LayerCall) -> frozenset[int]:
    """Of a linear layer's products: inputs, outputs and images."""
    features = call.outputs[0].shape[-1]
    return frozenset((call.outputs[0].numel() // features, features, call.inputs[0].shape[-1]))


def _on_cpu(events: Sequence[Any], phase: str) -> Iterator[_Work]:
    """The products with all that they call, other operators' own time, and what is left of the phase."""
    start, end = _window(events, phase)
    spent = 0.0
    for event in _within(events, start, end):
        product = _product(event)
        if product is event:
            seconds, dims = event.cpu_time_total / 1e6, _operand_dims(event)
        elif product is None and _OPERATOR.fullmatch(event.name):
            seconds, dims = event.self_cpu_time_total / 1e6, None
        else:
            continue
        spent += seconds
        yield _Work(event.name, seconds, dims)
    yield _Work(BETWEEN.name, max(0.0, (end - start) / 1e6 - spent), None)


def _on_gpu(events: Sequence[Any], phase: str, *, kind: DeviceType) -> Iterator[_Work]:
    """The kernels that each operator launched: those of a product together, others by their own names. Then
    those that no operator launched: a graph's, when it is replayed."""
    annotations = {event.name for event in events if event.is_user_annotation}
    start, end = _window(events, phase)
    ran = Counter[str]()
    for event in events:
        if event.device_type == kind and start < event.time_range.start <= end:
            ran[event.name] += (event.time_range.end - event.time_range.start) / 1e6
    of_product: dict[int, list[float]] = {}
    works: list[tuple[Any, list[float], frozenset[int] | None]] = []
    for event in _within(events, start, end):
        if _RUNTIME.fullmatch(event.name):
            continue
        product = _product(event)
        for kernel in event.kernels:
            if kernel.name in annotations:
                continue
            seconds = kernel.duration / 1e6
            ran[kernel.name] -= seconds
            if product is None:
                works.append((kernel.name, [seconds], None))
            elif id(product) in of_product:
                of_product[id(product)].append(seconds)
            else:
                of_product[id(product)] = [seconds]
                works.append((product.name, of_product[id(product)], _operand_dims(product)))
    for name, durations, dims in works:
        yield _Work(name, sum(durations), dims)
    for name, seconds in ran.items():
        if name not in annotations and seconds > _ROUNDING_SECONDS:
            yield _Work(name, seconds, None)


def _window(events: Iterable[Any], phase: str) -> tuple[float, float]:
    """When the phase began and ended, in microseconds of the profile."""
    mark = next(e for e in events if e.name == _PHASE + phase and e.device_type == DeviceType.CPU)
    return mark.time_range.start, mark.time_range.end


def _within(events: Iterable[Any], start: float, end: float) -> Iterator[Any]:
    """What the host did in that time."""
    for event in events:
        if event.device_type == DeviceType.CPU and start < event.time_range.start <= end:
            yield event


def _product(event: Any) -> Any:
    """The outermost convolution or matrix product that an event is or belongs to, or None."""
    found = None
    while event is not None:
        if _OPERATOR.fullmatch(event.name) and _PRODUCT.search(event.name) and not _FUSED.search(event.name):
            found = event
        event = event.cpu_parent
    return found


def _operand_dims(event: Any) -> frozenset[int]:
    """All sizes of its first two operands."""
    matrices = [shape for shape in event.input_shapes or () if len(shape) == 2]
    return frozenset(size for shape in matrices[-2:] for size in shape)
