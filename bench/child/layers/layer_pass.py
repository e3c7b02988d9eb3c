"""A case's layers: the time of each, what it costs, and the gap from their sum to the step.

Every round is a step in pieces and a whole one, so that the gap is that of two steps beside each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from msgspec import structs

from bench.child.layers import gradients
from bench.child.layers import layer_calls as costs
from bench.child.layers.layer_calls import LayerCall
from bench.child.layers.marked import MarkedSteps
from bench.child.layers.profiled import ProfiledSteps
from bench.child.layers.recorded import Recording, record
from bench.contracts.device import Device
from bench.contracts.engine import Engine
from bench.contracts.steps import Steps
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.layer_phases import ALL_LAYERS, LayerPart
from bench.schema.record import Measurement, single
from bench.tensors import autocast
from bench.timing import sampling
from bench.timing.timers import DeviceTimer, Shield, WallTimer

_FEWEST_ROUNDS, _MOST_ROUNDS = 8, 100
"""From seven samples on the median has a 95% interval."""

_TRANSFORMED = (
    "the network calls its layers inside torch.vmap or another transform of torch.func, where they cannot be "
    "timed one by one: --engine compile times its kernels"
)

Take = Callable[[], Mapping[LayerPart, float]]
"""One step in pieces: the seconds of each."""


def time_layers(
    case: Case,
    module: torch.nn.Module,
    steps: Steps,
    engine: Engine,
    device: Device,
    protocol: MeasurementProtocol,
    warnings: list[CaseWarning],
) -> list[Measurement]:
    """Measurements of every layer in the order in which they run, as `bench.schema.record` names them.

    By marks around the modules, or, where the engine does not call them, by the profiler. What could not be
    counted is told in `warnings`. Raises RuntimeError where the workload refuses what was measured.
    """
    if engine.compiles or engine.replays_graphs:
        if device.queue() is not None and not device.traits.profiler:
            raise RuntimeError(f"torch.profiler does not see the kernels of {device.traits.title}")
        recording = record(module, lambda: _forward(case, module, steps, device))
        take: Take = ProfiledSteps(recording.calls, steps, device).time
        whole = _whole(steps, device, Shield())
        separate: list[Measurement] = []
    else:
        recording = _recorded(module, steps)
        marked = MarkedSteps(module, steps, device, recording.computing)
        take, whole = marked.time, _whole(steps, device, marked.shield)
        separate = list(_separate(recording.calls, device))
    steps.why_invalid()  # what happened until here does not count
    calls = [*recording.calls, *recording.outside]
    measured = list(_rounds(take, whole, calls, protocol, device))
    refused = steps.why_invalid()
    if refused:
        raise RuntimeError(refused)
    warnings += _uncounted(calls)
    return measured + separate


def _recorded(module: torch.nn.Module, steps: Steps) -> Recording:
    """The layers' calls in one step. RuntimeError, in our words, where they cannot be watched."""
    try:
        return record(module, lambda: _step(steps))
    except RuntimeError as error:
        if "functorch transform" in str(error):
            raise RuntimeError(_TRANSFORMED) from error
        raise


def _uncounted(calls: Sequence[LayerCall]) -> Iterator[CaseWarning]:
    """Which layers have no FLOPs, since nobody knows what an operator of theirs does."""
    operators: dict[str, set[str]] = {}
    for call in calls:
        if call.uncounted:
            operators.setdefault(call.layer.name, set()).update(call.uncounted)
    told = "; ".join(f"{name} ({', '.join(sorted(of_it))})" for name, of_it in operators.items())
    if told:
        yield CaseWarning("incomplete", f"layers: no formula gives the FLOPs of {told}")


def _forward(case: Case, module: torch.nn.Module, steps: Steps, device: Device) -> None:
    """The module as it is, on the inputs of the steps."""
    assert steps.arguments is not None
    with autocast(case.precision, device.torch_type()):
        steps.arguments.call(module)


def _step(steps: Steps) -> None:
    steps.setup()
    steps.step()


def _whole(steps: Steps, device: Device, shield: Shield) -> Callable[[], float]:
    """Times one whole step by the clock that times the pieces."""
    queue = device.queue()
    timer = WallTimer(device) if queue is None else DeviceTimer(queue, shield)
    return lambda: timer.time((steps.step,), steps.setup, 1)[0]


def _rounds(
    take: Take,
    whole: Callable[[], float],
    calls: Sequence[LayerCall],
    protocol: MeasurementProtocol,
    device: Device,
) -> Iterator[Measurement]:
    """Sampling ends when the sum and the whole are known; a layer of microseconds never would be."""
    taken: list[Mapping[LayerPart, float]] = []

    def both() -> tuple[float, float]:
        taken.append(take())
        return sum(taken[-1].values()), whole()

    both()  # the first step in pieces warms up
    taken.clear()
    few = structs.replace(
        protocol,
        min_samples=min(protocol.min_samples, _FEWEST_ROUNDS),
        max_samples=min(protocol.max_samples, _MOST_ROUNDS),
    )
    found = sampling.sample(both, few, device.clock)
    for piece in dict.fromkeys(piece for pieces in taken for piece in pieces):
        seconds = [pieces.get(piece, 0.0) for pieces in taken]
        yield Measurement(
            phase=piece.part,
            metric="layer_time",
            unit="s",
            samples=seconds,
            stopped=found.stopped,
            layer=piece.layer,
        )
        yield from _counted(piece, [call for call in calls if call.layer == piece.layer])
    sums, wholes = found.values
    ratios = [one / other for one, other in zip(sums, wholes, strict=True)]
    yield Measurement(phase=ALL_LAYERS, metric="sum_time", unit="s", samples=sums, stopped=found.stopped)
    yield Measurement(phase=ALL_LAYERS, metric="whole_time", unit="s", samples=wholes, stopped=found.stopped)
    yield Measurement(phase=ALL_LAYERS, metric="sum_over_whole", unit="1", samples=ratios)


def _counted(piece: LayerPart, calls: Sequence[LayerCall]) -> Iterator[Measurement]:
    """Calls, FLOPs and bytes of a layer in that part of the step; of what is no layer, FLOPs alone. What runs
    again in backward counts there."""
    if not calls:
        return
    ahead, again = ([call for call in calls if call.recomputed == recomputed] for recomputed in (False, True))
    if piece.part == "forward":
        flops = [costs.forward_flops(call) for call in ahead]
        moved = sum(map(costs.forward_bytes, ahead))
    else:
        flops = [*map(costs.backward_flops, calls), *map(costs.forward_flops, again)]
        moved = sum(map(costs.backward_bytes, calls)) + sum(map(costs.forward_bytes, again))
    known = [each for each in flops if each is not None]
    counted = []
    if piece.layer.kind:
        counted.append(single(piece.part, "calls", len(ahead), "count"))
    if known and not any(call.uncounted for call in calls):
        counted.append(single(piece.part, "flops", sum(known), "FLOP"))
    if piece.layer.kind:
        counted.append(single(piece.part, "bytes_moved", moved, "bytes"))
    yield from (structs.replace(measurement, layer=piece.layer) for measurement in counted)


def _separate(calls: Sequence[LayerCall], device: Device) -> Iterator[Measurement]:
    for layer, times in gradients.separate_gradient_times(calls, device):
        for metric, (samples, repeats) in times.items():
            yield Measurement(
                phase="backward", metric=metric, unit="s", samples=samples, repeats=repeats, layer=layer
            )
