"""A module's weights in the dtype and the layout of a case."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.tensors import layout_of, weight_dtype


def place(module: nn.Module, case: Case) -> None:
    """Cast and lay out parameters and buffers, in place: shared ones stay shared.

    Real floating-point numbers take the precision's dtype. Complex ones stay complex, in single precision:
    torch has no lower one that its operators know. Whole numbers stay as they are.
    """
    dtype = weight_dtype(case.precision)

    def placed(tensor: Tensor) -> Tensor:
        wanted = torch.complex64 if tensor.is_complex() else tensor.dtype
        if tensor.is_floating_point():
            wanted = dtype
        if tensor.layout is not torch.strided:
            return tensor.to(wanted)
        return tensor.to(wanted, memory_format=layout_of(case, tensor))

    module._apply(
        placed
    )  # not `to`: it drops imaginary parts, refuses five dimensions, and may be overridden


def layout_warnings(module: nn.Module, case: Case) -> list[CaseWarning]:
    """Where channels-last is not the layout of all weights that have channels and pixels."""
    dimensions = {weight.ndim for weight in module.parameters()}
    if case.layout != "channels-last" or (4 in dimensions and 5 not in dimensions):
        return []
    if 5 in dimensions:
        detail = "weights of five dimensions lie in channels_last_3d, those of four in channels_last"
    else:
        detail = "no weight has four dimensions: channels-last is the layout of the images alone"
    return [CaseWarning("conv-layout", detail)]


def dtypes(module: nn.Module) -> str:
    """`float32`, or `complex64, float32` where parameters differ; `none` without any."""
    found = {str(weight.dtype).removeprefix("torch.") for weight in module.parameters()}
    return ", ".join(sorted(found)) or "none"
