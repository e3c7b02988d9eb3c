"""What another's network raises while it is measured, as one sentence with the cause."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.forkserver.stages import one_line
from bench.schema.case import Case
from models import catalogue, factory_file
from models.blocks import is_block
from models.errors import UserError
from models.known_causes import known_cause
from models.user_code import OUT_OF_MEMORY

_WORDS_LIMIT = 240
"""Characters of the network's own words."""
_DEVICE_FAULT = re.compile(r"CUDA error|CUDNN_STATUS_|CUBLAS_STATUS_|unable to find an engine")
"""Of a GPU that lacks memory or is no longer usable: no fault of the network."""
_CAUSES = (
    (
        r"Expected more than 1 value per channel",
        "batch normalization needs more than one value of each channel, so a larger --batch or --image",
    ),
    (
        r"Expected more than 1 spatial element",
        "instance normalization needs more than one pixel of each channel, so a larger --image",
    ),
    (
        r"modified by an inplace operation|leaf Variable that requires grad is being used in an in-place",
        "it changes in place what its own backward pass needs",
    ),
    (
        r"(same|mismatched|different) d?type|should be the same$|but (got|found) \w*(Float|Half|Double)",
        "not all of its tensors have the precision's dtype: it makes or keeps some of another",
    ),
    (
        r"does not require grad and does not have a grad_fn",
        "its loss depends on no parameter: its output is detached, or made under no_grad",
    ),
    (
        r"backward through the graph a second time",
        "it keeps tensors of one step for the next, with their graph",
    ),
)
"""What torch says -> why."""


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
    said = f"{type(error).__name__}: {one_line(str(error))[:_WORDS_LIMIT]}".removesuffix(": ")
    cause = next((why for pattern, why in _CAUSES if re.search(pattern, str(error))), None)
    did = known_cause(error)
    cause = cause or (f"it {did}" if did else None)
    way = "" if case.engine == "eager" else f" with the engine {case.engine}"
    doing = "inference" if case.workload == "inference" else "training"
    where = f"{case.model} fails in {doing}{way} {_batch(case)} in {case.precision}"
    return f"{where}: {cause} ({said})" if cause else f"{where}: {said}"


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
