"""In a child: do the outputs of a configuration agree with those of fp32, run eagerly."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import torch
from msgspec import structs

from bench import devices, engines
from bench.child import weights
from bench.child.case_network import load_network
from bench.child.execution import without_compiler
from bench.outputs.main_output import main_output
from bench.schema.agreement import Agreement, AgreementRequest
from bench.schema.case import Case
from bench.tensors import case_arguments, case_context, cast_input, random_images
from models import random_state
from models.errors import UserError
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
    network = load_network(case, where)
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
    weights.place(module, case)
    module.eval()
    forward = structs.replace(case, workload="inference")
    engine = engines.get(case.engine)
    with case_context(forward, torch.device(where).type), without_compiler(engine):
        call = engine.wrap(module, case.tuning)
        found = [
            # A copy, which the network may change.
            _numbers(batch.each(torch.clone).on(where).each(partial(cast_input, case)).call(call))
            for batch in batches
        ]
    return torch.cat(found)


def _numbers(outputs: Any) -> torch.Tensor:
    """The main output as real numbers in double precision, (images, numbers), on the CPU."""
    tensor = main_output(outputs).tensor.cpu()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor.double().reshape(len(tensor) if tensor.ndim else 1, -1)


def agreement(expected: torch.Tensor, found: torch.Tensor) -> Agreement:
    """Of outputs of shape (images, classes), those of fp32 first.

    A choice is near a tie where twice the largest error of an image's outputs reaches from its first
    class to its second: random weights make many of these, and there top-1 says nothing of a precision.
    Raises UserError where no error can be given.
    """
    for whose, numbers in (("fp32", expected), ("this configuration", found)):
        if not numbers.isfinite().all():
            raise UserError(f"not all outputs of {whose} are finite numbers")
    if not expected.any():
        raise UserError("all outputs of fp32 are 0, which no error is relative to")
    error = found - expected
    # A single number is a choice without another.
    best = expected.topk(min(2, expected.shape[1]), dim=1).values
    margin = best[:, 0] - best[:, -1] if best.shape[1] > 1 else torch.full((len(best),), math.inf)
    return Agreement(
        images=len(expected),
        agreeing=int((expected.argmax(1) == found.argmax(1)).sum()),
        near_ties=int((margin <= 2 * error.abs().amax(1)).sum()),
        relative_error=float(error.norm() / expected.norm()),
    )
