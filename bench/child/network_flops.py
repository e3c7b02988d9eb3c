"""Counts of whole networks, in the child: by our formulas for operators, and by two libraries."""

from __future__ import annotations

import msgspec
import torch
from msgspec import structs

from bench.child.case_network import load_network
from bench.child.counted_cost import counted_cost
from bench.child.execution import without_compiler
from bench.forkserver.stages import stage
from bench.probes.flops import (
    FVCORE_LARGEST,
    FlopCounts,
    OperatorFlops,
    compare,
    count_flops,
    of_work,
    uncompared,
)
from bench.probes.operator_work import StepWork
from bench.probes.step_work import call_work
from bench.schema.case import Case
from bench.schema.counts import CountRequest, CountResult
from bench.tensors import case_arguments
from models.build import build
from models.catalogue import Ours, parse
from models.closed_form import Cost, ImageTooSmallError, cost
from models.errors import UserError, in_one_line
from models.known_causes import known_cause
from models.network import Arguments, Network
from models.user_code import OUT_OF_MEMORY
from models.user_imports import isolated_imports

_BATCHES = (1, 2, 4, 8, 16, 32, 64)
"""Tried where a network refuses its batch, to say which it takes."""


def count(argument: bytes) -> bytes:
    """The child's entry: encoded CountRequests in, encoded CountResults out."""
    return msgspec.json.encode(count_models(msgspec.json.decode(argument, type=list[CountRequest])))


def count_models(requests: list[CountRequest]) -> list[CountResult]:
    """The counts of each network, in order; one that cannot be built or run has an `error` instead."""
    results = []
    for request in requests:
        stage(f"counting {request.model}")  # what ends the process is then known
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
        network = Network(build(source.arch, channels=channels, image=image, classes=classes, device="meta"))
        work = call_work(network.module, _arguments(network, request))
        counts = _counts(network, request, work)
        return _result(request, counts, work, compare(by_operator(closed), counts))
    network = load_network(_case(request), "cpu")
    with without_compiler():
        return _count_loaded(network, request)


def _count_loaded(network: Network, request: CountRequest) -> CountResult:
    """The counts of a network that is not ours, from its operators."""
    work = _work(network, request)
    counts = _counts(network, request, work)
    disagreements = compare(of_work(work), counts, by="convbench")
    counted = counted_cost(network.module, work, request)
    if network.inputs is not None:
        counted = structs.replace(counted, input=_arguments(network, request).described())
    elif request.input:
        counted = structs.replace(counted, input=request.input)
    found = _result(request, counts, work, disagreements)
    return structs.replace(found, cost=counted, notes=(*_other_classes(request, work), *found.notes))


def _other_classes(request: CountRequest, work: StepWork) -> tuple[str, ...]:
    """A note where the only output is no score for each of the classes that were asked for."""
    shapes = work.calls[0].output_shapes
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] == request.classes:
        return ()
    return (f"the network has {shapes[0][1]:,} outputs, where --classes is {request.classes:,}",)


def _work(network: Network, request: CountRequest) -> StepWork:
    """What one call does. UserError: the network cannot be called so."""
    try:
        return call_work(network.module, _arguments(network, request))
    except (UserError, *OUT_OF_MEMORY):
        raise
    except Exception as error:  # it is the user's code that runs
        words = in_one_line(error)
        cause = known_cause(error)
        if cause:
            raise UserError(f"{request.model} {cause} ({words})") from error
        taken = next(
            (batch for batch in _BATCHES if _takes(network, structs.replace(request, batch=batch))), 0
        )
        if taken:
            reason = f"cannot be called at batch {request.batch}, but at batch {taken}: give --batch {taken}"
        else:
            reason = f"cannot be called with an input of {_arguments(network, request).described()}"
            if network.inputs is None:
                reason += ": --input names another shape, inputs(batch, device) beside a factory makes any"
        raise UserError(f"{request.model} {reason} ({words})") from error


def _takes(network: Network, request: CountRequest) -> bool:
    try:
        call_work(network.module, _arguments(network, request))
    except Exception:  # noqa: BLE001  the user's code, which has failed already
        return False
    return True


def _case(request: CountRequest) -> Case:
    return Case(
        model=request.model,
        batch=request.batch,
        channels=request.channels,
        image=request.image,
        classes=request.classes,
        input=request.input,
    )


def _arguments(network: Network, request: CountRequest) -> Arguments:
    """What one call is given: images without data, in the dtype of the weights."""
    floating = (each.dtype for each in network.module.parameters() if each.is_floating_point())
    dtype = next(floating, torch.float32)
    made = case_arguments(_case(request), network, "cpu" if network.inputs else "meta")
    return made.each(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def _counts(network: Network, request: CountRequest, work: StepWork) -> FlopCounts:
    """The libraries' counts; fvcore gets one image of so many that it would compute for minutes."""
    arguments = _arguments(network, request)
    if network.inputs is not None or work.macs("forward") <= FVCORE_LARGEST:
        return count_flops(network.module, arguments)
    return count_flops(network.module, arguments, arguments.each(lambda images: images[:1]), request.batch)


def _result(
    request: CountRequest, counts: FlopCounts, work: StepWork, disagreements: list[str]
) -> CountResult:
    notes = list(counts.notes)
    if work.unknown:
        notes.append(f"not counted: {', '.join(work.unknown)}")
    if work.has_complex:
        notes.append("a complex multiply-accumulate counts as four real ones, and as one in torch's count")
    return CountResult(
        request=request,
        flops_fvcore=counts.fvcore.total if counts.fvcore else None,
        flops_torch_forward=counts.torch_forward.total if counts.torch_forward else None,
        flops_torch_backward=counts.torch_backward.total if counts.torch_backward else None,
        uncompared=uncompared(counts, work),
        disagreements=tuple(disagreements),
        notes=tuple(notes),
    )


def by_operator(closed: Cost) -> tuple[OperatorFlops, OperatorFlops]:
    """The closed form's FLOPs of convolutions and of linear layers: forward and backward."""
    conv = [row for row in closed.layers if row.kind == "conv"]
    linear = [row for row in closed.layers if row.kind == "linear"]
    return (
        OperatorFlops(
            convolution=sum(row.flops_forward for row in conv),
            products=sum(row.flops_forward for row in linear),
        ),
        OperatorFlops(
            convolution=sum(row.flops_backward for row in conv),
            products=sum(row.flops_backward for row in linear),
        ),
    )
