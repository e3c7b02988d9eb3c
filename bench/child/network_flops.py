"""Counts of whole networks, in the child: libraries beside the closed form, layer by layer for any module."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import torch
from msgspec import structs
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.probes.flops import FlopCounts, OperatorFlops, compare, count_flops
from bench.probes.meta_modules import CONVOLUTIONS, TRANSPOSED, beside, count_parameters, on_meta_or_itself
from bench.schema.case import Case
from bench.schema.counts import CountRequest, CountResult
from bench.tensors import case_arguments
from models.build import build
from models.catalogue import Ours, parse
from models.closed_form import BYTES_PER_ELEMENT, Cost, ImageTooSmallError, LayerCost, cost
from models.errors import UserError
from models.load import load
from models.network import Arguments, Network
from models.user_code import OUT_OF_MEMORY
from models.user_imports import isolated_imports


def count(argument: bytes) -> bytes:
    """The child's entry: encoded CountRequests in, encoded CountResults out."""
    return msgspec.json.encode(count_models(msgspec.json.decode(argument, type=list[CountRequest])))


def count_models(requests: list[CountRequest]) -> list[CountResult]:
    """The counts of each network, in order; one that cannot be built or run has an `error` instead."""
    results = []
    for request in requests:
        with isolated_imports():
            try:
                results.append(_count(request))
            except (UserError, ImageTooSmallError) as error:
                results.append(CountResult(request=request, error=str(error)))
            except OUT_OF_MEMORY:
                sentence = f"{request.model} does not fit into this machine's memory at batch {request.batch}"
                results.append(CountResult(request=request, error=sentence))
    return results


def _count(request: CountRequest) -> CountResult:
    source = parse(request.model)
    channels, image, classes = request.channels, request.image, request.classes
    if isinstance(source, Ours):
        closed = cost(source.arch, channels=channels, image=image, classes=classes, batch=request.batch)
        # On meta: what is counted has shapes only, and weights would be written for nothing.
        module = build(source.arch, channels=channels, image=image, classes=classes, device="meta")
        network = Network(module)
        return _result(request, closed, _counts(network, request, _arguments(network, request)))
    network = load(request.model, channels=channels, image=image, classes=classes, batch=request.batch)
    arguments = _arguments(network, request)
    try:
        seen = module_cost(network.module, arguments, request)
        counts = _counts(network, request, arguments)
    except OUT_OF_MEMORY:
        raise
    except Exception as error:  # it is the user's code that runs
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{request.model} cannot take {_shapes(arguments)}: {words}") from error
    if network.inputs is not None:
        seen = structs.replace(seen, input=arguments.described())
    return structs.replace(_result(request, seen, counts), cost=seen)


def _arguments(network: Network, request: CountRequest) -> Arguments:
    """What one call is given: images without data, in the dtype of the weights."""
    case = Case(
        model=request.model,
        batch=request.batch,
        channels=request.channels,
        image=request.image,
        classes=request.classes,
    )
    floating = (each.dtype for each in network.module.parameters() if each.is_floating_point())
    dtype = next(floating, torch.float32)
    made = case_arguments(case, network, "cpu" if network.inputs else "meta")
    return made.each(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def _counts(network: Network, request: CountRequest, arguments: Arguments) -> FlopCounts:
    if network.inputs is not None:
        return count_flops(network.module, arguments)
    one = arguments.each(lambda images: images[:1])
    return count_flops(network.module, arguments, one, request.batch)


def _shapes(arguments: Arguments) -> str:
    """For a sentence: `a batch of shape (8, 3, 224, 224)`."""
    return "a batch of shape " + " and ".join(str(tuple(each.shape)) for each in arguments.tensors())


def _result(request: CountRequest, closed: Cost, counts: FlopCounts) -> CountResult:
    disagreements = compare(by_operator(closed), counts.fvcore, counts.torch_forward, counts.torch_backward)
    return CountResult(
        request=request,
        flops_fvcore=counts.fvcore.total if counts.fvcore else None,
        flops_torch_forward=counts.torch_forward.total,
        flops_torch_backward=counts.torch_backward.total,
        uncompared=counts.uncompared,
        disagreements=tuple(disagreements),
        notes=counts.notes,
    )


def by_operator(closed: Cost) -> tuple[OperatorFlops, OperatorFlops]:
    """The closed form's FLOPs of convolutions and of linear layers: forward and backward."""
    conv = [row for row in closed.layers if row.kind == "conv"]
    linear = [row for row in closed.layers if row.kind == "linear"]
    return (
        OperatorFlops(
            convolution=sum(row.flops_forward for row in conv),
            linear=sum(row.flops_forward for row in linear),
        ),
        OperatorFlops(
            convolution=sum(row.flops_backward for row in conv),
            linear=sum(row.flops_backward for row in linear),
        ),
    )


def module_cost(module: nn.Module, arguments: Arguments, request: CountRequest) -> Cost:
    """The cost of any module from one forward in eval mode, a row for each call of a layer without children.

    MACs of convolutions (also transposed ones) and linear layers follow from their weights and shapes;
    the input's gradient is counted where autograd would compute it. A layer that is called twice has two
    rows, and its parameters in the first.
    """
    rows = on_meta_or_itself(module, lambda counted: tuple(_called_layers(counted, arguments)))
    parameters = count_parameters(module)
    counted = [row for row in rows if row.kind in ("conv", "linear")]
    return Cost(
        model=request.model,
        image=request.image,
        channels=request.channels,
        classes=request.classes,
        batch=request.batch,
        parameters=parameters.total,
        parameters_conv=parameters.convolution,
        parameters_linear=parameters.linear,
        macs=sum(row.macs for row in rows),
        flops_forward=sum(row.flops_forward for row in rows),
        flops_backward=sum(row.flops_backward for row in rows),
        activations=sum(row.activations for row in counted),
        layers=rows,
    )


def _called_layers(module: nn.Module, arguments: Arguments) -> list[LayerCost]:
    """One forward with a hook on every layer that has no children."""
    rows: list[LayerCost] = []
    seen: set[int] = set()
    names = {id(part): name for name, part in module.named_modules()}

    def note(part: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        rows.append(_row(names[id(part)], part, args, output, counted=id(part) in seen))
        seen.add(id(part))

    hooks = [part.register_forward_hook(note) for part in module.modules() if not any(part.children())]
    try:
        with torch.enable_grad():
            beside(module, arguments).call(module)
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def _row(name: str, part: nn.Module, args: tuple[Any, ...], output: Any, *, counted: bool) -> LayerCost:
    given = next((each for each in tree_leaves(args) if isinstance(each, Tensor)), None)
    outputs = [each for each in tree_leaves(output) if isinstance(each, Tensor)]
    elements = sum(each.numel() for each in outputs)
    held = 0 if counted else count_parameters(part).total
    macs = _macs(part, given, outputs[0]) if given is not None and outputs else 0
    gradients = 0
    if isinstance(part, (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)) and given is not None:
        gradients = int(part.weight.requires_grad) + int(given.requires_grad)
    return LayerCost(
        name=name,
        kind=_kind(part),
        window=_window(part),
        output_shape=tuple(outputs[0].shape[1:]) if outputs else (),
        parameters=held,
        macs=macs,
        flops_forward=2 * macs,
        flops_backward=2 * macs * gradients,
        activations=elements,
        bytes=BYTES_PER_ELEMENT * (held + elements),
    )


def _macs(part: nn.Module, given: Tensor, output: Tensor) -> int:
    if isinstance(part, nn.Linear):
        return output.numel() * part.in_features
    if isinstance(part, CONVOLUTIONS):
        return output.shape[0] * math.prod(output.shape[2:]) * part.weight.numel()
    if isinstance(part, TRANSPOSED):
        return given.shape[0] * math.prod(given.shape[2:]) * part.weight.numel()
    return 0


def _kind(part: nn.Module) -> str:
    if isinstance(part, (*CONVOLUTIONS, *TRANSPOSED)):
        return "conv"
    return "linear" if isinstance(part, nn.Linear) else type(part).__name__.lower()


def _window(part: nn.Module) -> str | None:
    if not isinstance(part, (*CONVOLUTIONS, *TRANSPOSED)):
        return None
    stride = f"/{part.stride[0]}" if part.stride[0] > 1 else ""
    return "x".join(map(str, part.kernel_size)) + stride
