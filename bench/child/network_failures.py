"""What another's network raises while it is measured, as one sentence with the cause."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.schema.case import Case
from models import catalogue, factory_file
from models.blocks import is_block
from models.errors import UserError, in_one_line
from models.known_causes import known_cause
from models.user_code import OUT_OF_MEMORY

_DEVICE_FAULT = re.compile(r"CUDA error|CUDNN_STATUS_|CUBLAS_STATUS_|unable to find an engine")
"""Of a GPU that lacks memory or is no longer usable: no fault of the network."""


@contextmanager
def named_as_the_networks(case: Case, until: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """A UserError in place of whatever another's network raises inside.

    Errors of our own networks pass, as ours, and so do those of memory and of a GPU that stopped. So does
    every error from the time on when `until` is true: a network that has trained for an epoch can do so, and
    what stops it then is an accident.
    """
    try:
        yield
    except (UserError, *OUT_OF_MEMORY):
        raise
    except Exception as error:  # it is another's code: anything may come
        if until() or is_block(case.model) or catalogue.arch_of(case.model) is not None:
            raise
        if _DEVICE_FAULT.search(str(error)) or "DefaultCPUAllocator" in str(error):
            raise
        raise UserError(_sentence(case, error)) from error


def _sentence(case: Case, error: Exception) -> str:
    """`X fails in training on a batch of shape (8, 3, 16, 16) in fp32: cause (TypeError: words)`"""
    said, did = in_one_line(error), known_cause(error)
    way = "" if case.engine == "eager" else f" with the engine {case.engine}"
    doing = "inference" if case.workload == "inference" else "training"
    where = f"{case.model} fails in {doing}{way} {_batch(case)} in {case.precision}"
    return f"{where}: it {did} ({said})" if did else f"{where}: {said}"


def _batch(case: Case) -> str:
    """What the network was given, as far as the case knows: a user's `inputs` decides alone."""
    if _has_inputs(case.model):
        return f"on inputs({case.batch}, device)"
    return f"on a batch of shape {(case.batch, *case.input_shape)}"


def _has_inputs(model: str) -> bool:
    try:
        source = catalogue.parse(model)
        if isinstance(source, catalogue.FileFactory):
            return "inputs" in factory_file.names_of(source.path)
    except UserError:  # the file is no longer what was loaded, which must not hide why the network failed
        return False
    module = source.module if isinstance(source, catalogue.ModuleFactory) else ""
    return hasattr(sys.modules.get(module), "inputs")
