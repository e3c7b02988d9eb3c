"""In the child, when all else is measured: a training step of which every bit is fixed, as digests.

A GPU that computes wrongly without an error (silent data corruption) gives other bits than its like. The step
is made with a network built anew, eagerly, and leaves flags and random numbers as it found them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from msgspec import structs
from torch import Tensor

from bench.child import weights
from bench.child.case_network import load_network
from bench.contracts.device import Device
from bench.schema.case import Case
from bench.schema.step_digest import StepDigest, stepped
from bench.workloads.training import TrainingStep
from models import process_state, random_state
from models.errors import in_one_line

CUBLAS_WORKSPACE = ":4096:8"
"""One of two settings with which cuBLAS adds up in a fixed order (its manual, "Results reproducibility")."""
_DIGITS = 16
"""Hexadecimal ones of a digest: two that differ agree in them once in 10^19."""
_NO_DETERMINISTIC = " does not have a deterministic implementation"
"""In torch's words, after an operator's name."""


def digest_step(case: Case, device: Device) -> StepDigest:
    """Of the training step of `stepped`, made twice: in the case's batch, precision, layout and threads.

    Whatever keeps it from being made is `why_none`, as an operator without a deterministic implementation, or
    a lack of memory: the case's figures are taken, and are none the worse for it.
    """
    try:
        with _fixed(stepped(case), device):
            first, again = (_digest_once(stepped(case), device) for _ in range(2))
    except Exception as error:  # noqa: BLE001 - of any kind: a user's module may raise what it likes
        return StepDigest(why_none=_why_none(error))
    return first if first == again else structs.replace(first, repeats=False)


def _why_none(error: Exception) -> str:
    operator, has_none, _ = str(error).partition(_NO_DETERMINISTIC)
    if has_none:
        return f"{operator.split()[-1]} has no deterministic implementation"
    return in_one_line(error)


@contextmanager
def _fixed(case: Case, device: Device) -> Iterator[None]:
    """Everything that decides the bits of a step is set; afterwards it is what it was before."""
    numbers = random_state.read()
    try:
        with process_state.kept(), torch.inference_mode(False), torch.enable_grad():
            device.prepare(case)
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = CUBLAS_WORKSPACE
            device.free_library_workspace()  # one that was made by another setting
            device.release_memory()  # cuDNN takes another algorithm where it gets no workspace
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True
            torch.backends.mkldnn.deterministic = True  # type: ignore[assignment]
            torch.use_deterministic_algorithms(True)
            yield
            device.synchronise()
    finally:
        device.free_library_workspace()
        random_state.put_back(numbers)


def _digest_once(case: Case, device: Device) -> StepDigest:
    random_state.seed(case.seed)
    where = device.torch_name()
    network = load_network(case, where)
    weights.place(network.module, case)
    network.module.train()
    step = TrainingStep(network, network.module, case, where)
    step.setup()
    step.whole_step()
    device.synchronise()
    found = step.tensors()
    return StepDigest(
        loss=digest_of([step.loss]),
        gradients=digest_of(found["gradients"]),
        weights=digest_of([*found["weights"], *found["buffers"]]),
    )


def digest_of(tensors: Iterable[Tensor]) -> str:
    """Of the shapes, dtypes and bytes of tensors on any device, in their order and whatever their layout."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tuple(tensor.shape)} {tensor.dtype}\n".encode())
        found.update(_bytes(tensor))
    return found.hexdigest()[:_DIGITS]


def _bytes(tensor: Tensor) -> memoryview:
    plain = tensor.detach()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    if plain.is_complex():
        plain = torch.view_as_real(plain.resolve_conj())
    return plain.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
