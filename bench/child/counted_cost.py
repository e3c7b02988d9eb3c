"""The cost of any module from what its operators did, a row for each module that does or holds something."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from torch import nn

from bench.probes.meta_modules import CONVOLUTIONS, TRANSPOSED, count_parameters, own_parameters
from bench.probes.operator_work import ModuleCall, OperatorWork, StepWork
from bench.schema.counts import CountRequest
from models.closed_form import BYTES_PER_ELEMENT, Cost, LayerCost

ITSELF = "(the network itself)"
"""The row of what the network computes or holds outside of the modules in it."""


def counted_cost(module: nn.Module, work: StepWork, request: CountRequest) -> Cost:
    """The cost of a module whose operators were counted; the rows add up to it.

    A row is a call of a module without children, or of one that multiplies or holds parameters outside of
    them. A module that is called twice has two rows, and its parameters in the first. Those of a module that
    is never called are in the row of the one around it.
    """
    rows = tuple(_rows(module, work))
    parameters = count_parameters(module)
    layers = [each for each in work.operators if each.phase == "forward" and each.kind in ("conv", "linear")]
    return Cost(
        model=request.model,
        image=request.image,
        channels=request.channels,
        classes=request.classes,
        batch=request.batch,
        parameters=parameters.total,
        parameters_conv=parameters.convolution,
        parameters_linear=parameters.linear,
        macs=work.macs("forward"),
        macs_conv=work.macs("forward", "conv"),
        macs_linear=work.macs("forward", "linear"),
        macs_attention=work.macs("forward", "attention"),
        macs_other=work.macs("forward", "other"),
        flops_forward=2 * work.macs("forward"),
        flops_backward=2 * work.macs("backward"),
        activations=sum(each.elements for each in layers),
        layers=rows,
    )


def _rows(module: nn.Module, work: StepWork) -> Iterator[LayerCost]:
    """In the order of the calls; the network itself last, unless it is a layer."""
    parts = dict(module.named_modules())
    held = _held(parts, work.calls)
    done: dict[int, list[OperatorWork]] = {}
    for each in work.operators:
        done.setdefault(each.call, []).append(each)
    for index in (*range(1, len(work.calls)), 0):
        call = work.calls[index]
        part, operators = parts[call.name], done.get(index, [])
        parameters = held.get(index, 0)
        is_layer = not any(name != "parametrizations" for name, _ in part.named_children())
        if (
            (is_layer and (call.name or len(parts) == 1))
            or parameters
            or any(each.macs for each in operators)
        ):
            yield _row(call, part, operators, parameters, is_layer=is_layer)


def _held(parts: dict[str, nn.Module], calls: tuple[ModuleCall, ...]) -> dict[int, int]:
    """Parameters by the index of the call in whose row they stand: each once."""
    first_call: dict[str, int] = {}
    for index, call in enumerate(calls):
        first_call.setdefault(call.name, index)
    seen: set[int] = set()
    held: dict[int, int] = {}
    for name, part in sorted(parts.items(), key=lambda item: first_call.get(item[0], len(calls))):
        around = name
        while around not in first_call:
            around = around.rpartition(".")[0]
        for parameter in own_parameters(part):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                held[first_call[around]] = held.get(first_call[around], 0) + parameter.numel()
    return held


def _row(
    call: ModuleCall, part: nn.Module, operators: list[OperatorWork], parameters: int, *, is_layer: bool
) -> LayerCost:
    forward = [each for each in operators if each.phase == "forward"]
    macs = sum(each.macs for each in forward)
    # What the modules in it give is in their rows.
    elements = sum(map(prod, call.output_shapes)) if is_layer else sum(each.elements for each in forward)
    return LayerCost(
        name=call.name or ITSELF,
        kind=_kind(part),
        window=_window(part),
        output_shape=call.output_shapes[0][1:] if call.output_shapes else (),
        parameters=parameters,
        macs=macs,
        flops_forward=2 * macs,
        flops_backward=2 * sum(each.macs for each in operators if each.phase == "backward"),
        activations=elements,
        bytes=BYTES_PER_ELEMENT * (parameters + elements),
    )


def _kind(part: nn.Module) -> str:
    """Of a layer whose weights are parametrized that of the layer."""
    if isinstance(part, (*CONVOLUTIONS, *TRANSPOSED)):
        return "conv"
    if isinstance(part, nn.Linear):
        return "linear"
    parametrized = type(part).__name__.startswith("Parametrized") and hasattr(part, "parametrizations")
    return (type(part).__mro__[1] if parametrized else type(part)).__name__.lower()


def _window(part: nn.Module) -> str | None:
    if not isinstance(part, (*CONVOLUTIONS, *TRANSPOSED)):
        return None
    stride = f"/{part.stride[0]}" if part.stride[0] > 1 else ""
    return "x".join(map(str, part.kernel_size)) + stride
