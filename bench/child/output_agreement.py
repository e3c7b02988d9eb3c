"""In a child: do the outputs of a configuration agree with those of fp32, run eagerly."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import partial

import msgspec
import torch
from msgspec import structs

from bench import devices, engines
from bench.schema.agreement import Agreement, AgreementRequest
from bench.schema.case import Case
from bench.tensors import case_arguments, case_context, cast_input, memory_format, random_images, weight_dtype
from models import random_state
from models.load import load
from models.network import Arguments, Network

IMAGES = 64
"""At least so many are classified: the next multiple of the batch."""


def agree(argument: bytes) -> bytes:
    """The child's entry: an encoded Question in, an encoded Agreement out."""
    question = msgspec.json.decode(argument, type=AgreementRequest)
    if question.cache_folder is not None:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = question.cache_folder
    return msgspec.json.encode(compare_outputs(question.case))


def compare_outputs(case: Case) -> Agreement:
    """Both outputs on the case's device, in eval mode."""
    random_state.seed(case.seed)
    where = devices.get(case.device).torch_name()
    network = load(
        case.model,
        channels=case.channels,
        image=case.image,
        classes=case.classes,
        batch=case.batch,
        device=where,
    )
    plain = structs.replace(case, precision="fp32", engine="eager", layout="nchw", tuning="")
    batches = random_batches(plain, network)
    expected = outputs(plain, network.module, batches)
    return agreement(expected, outputs(case, network.module, batches))


def random_batches(case: Case, network: Network) -> list[Arguments]:
    """The arguments of as many calls as give IMAGES outputs, on the CPU."""
    calls = math.ceil(IMAGES / case.batch)
    if network.inputs is not None:
        return [case_arguments(case, network, "cpu") for _ in range(calls)]
    images = random_images(structs.replace(case, batch=calls * case.batch), "cpu")
    return [Arguments((batch,)) for batch in images.split(case.batch)]


def outputs(case: Case, module: torch.nn.Module, batches: Sequence[Arguments]) -> torch.Tensor:
    """What a case's forward gives for all batches: double precision, (images, classes), on the CPU. The
    module is then in the case's dtype and layout."""
    device = devices.get(case.device)
    device.prepare(case)
    where = device.torch_name()
    module = module.to(weight_dtype(case.precision)).to(memory_format=memory_format(case)).eval()
    forward = structs.replace(case, workload="inference")
    with case_context(forward, torch.device(where).type):
        call = engines.get(case.engine).wrap(module, case.tuning)
        found = [
            batch.on(where).each(partial(cast_input, case)).call(call).cpu().double() for batch in batches
        ]
    return torch.cat(found).flatten(1)


def agreement(expected: torch.Tensor, found: torch.Tensor) -> Agreement:
    """Of outputs of shape (images, classes), those of fp32 first.

    A choice is near a tie where twice the largest error of an image's outputs reaches from its first
    class to its second: random weights make many of these, and there top-1 says nothing of a precision.
    """
    error = found - expected
    first, second = expected.topk(2, dim=1).values.unbind(1)
    return Agreement(
        images=len(expected),
        agreeing=int((expected.argmax(1) == found.argmax(1)).sum()),
        near_ties=int((first - second <= 2 * error.abs().amax(1)).sum()),
        relative_error=float(error.norm() / expected.norm()),
    )
