"""What each precision means: the dtype of the weights, autocast, and loss scaling. Flags are the devices'.

docs/method.md, "Precision and what was really in effect". `fp32` is IEEE everywhere, `tf32` TF32 everywhere
(torch's own default is mixed); `amp-*` keep fp32 weights and enter autocast; `bf16` and `fp16` cast the
weights for good.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.schema.case import Case, Precision

if TYPE_CHECKING:
    import torch

    from models.network import Arguments, Network


@dataclass(frozen=True)
class DtypePolicy:
    """Names of torch dtypes; `autocast` is None where there is none."""

    weights: str = "float32"
    autocast: str | None = None
    scales_loss: bool = False


POLICIES: dict[Precision, DtypePolicy] = {
    "fp32": DtypePolicy(),
    "tf32": DtypePolicy(),
    "amp-bf16": DtypePolicy(autocast="bfloat16"),
    "amp-fp16": DtypePolicy(autocast="float16", scales_loss=True),
    "bf16": DtypePolicy(weights="bfloat16"),
    "fp16": DtypePolicy(weights="float16"),
}


def weight_dtype(precision: Precision) -> torch.dtype:
    """The dtype in which weights and inputs are stored."""
    import torch

    dtype = getattr(torch, POLICIES[precision].weights)
    assert isinstance(dtype, torch.dtype)
    return dtype


def autocast(precision: Precision, device_type: str) -> contextlib.AbstractContextManager[Any]:
    """torch.autocast for the precision, or a context that does nothing."""
    import torch

    name = POLICIES[precision].autocast
    if name is None:
        return contextlib.nullcontext()
    return torch.autocast(device_type, dtype=getattr(torch, name))


class LossScaler:
    """torch.amp.GradScaler for timed steps: its scale may shrink but never grow, since growth would hide a
    skipped step from `why_invalid`. Does nothing unless `enabled`."""

    def __init__(self, device_type: str, *, enabled: bool) -> None:
        import torch

        self._scaler = torch.amp.GradScaler(device_type, enabled=enabled, growth_interval=2**31 - 1)
        self._scale_before = self._scaler.get_scale()

    def backward(self, loss: torch.Tensor, gradient: torch.Tensor | None = None) -> None:
        """The backward pass of the scaled loss."""
        self._scaler.scale(loss).backward(gradient)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """The optimizer's step, unless gradients overflowed."""
        self._scaler.step(optimizer)
        self._scaler.update()

    def why_invalid(self) -> str | None:
        """A reason when steps since the last question were skipped, which are shorter than others."""
        before, self._scale_before = self._scale_before, self._scaler.get_scale()
        if self._scale_before < before:
            return "GradScaler skipped optimizer steps inside the window (gradients overflowed)"
        return None


def case_context(case: Case, device_type: str) -> contextlib.ExitStack:
    """Entered once around all measuring of a case.

    Inference runs under `no_grad` with weights that require grad and in one autocast: in `inference_mode`,
    or at every call anew, autocast would cast all weights again each time. Training enters autocast at
    every step itself, as training code does.
    """
    import torch

    stack = contextlib.ExitStack()
    if case.workload == "inference":
        stack.enter_context(torch.no_grad())
        stack.enter_context(autocast(case.precision, device_type))
    return stack


def memory_format(case: Case) -> torch.memory_format:
    """The torch memory format of the case's layout."""
    import torch

    return torch.channels_last if case.layout == "channels-last" else torch.contiguous_format


def random_images(case: Case, torch_device: str) -> torch.Tensor:
    """Standard normal inputs of shape (batch, *case.input_shape), in the weights' dtype and layout."""
    import torch

    shape = (case.batch, *case.input_shape)
    return cast_input(case, torch.randn(shape, device=torch_device))


def cast_input(case: Case, tensor: torch.Tensor) -> torch.Tensor:
    """A floating input in the weights' dtype and, where it has four or five dimensions, in the case's layout;
    any other as it is."""
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(weight_dtype(case.precision), memory_format=layout_of(case, tensor))


def layout_of(case: Case, tensor: torch.Tensor) -> torch.memory_format:
    """The case's layout for a tensor of so many dimensions; as it is, where torch has none for them."""
    import torch

    if case.layout != "channels-last":
        return torch.contiguous_format if tensor.ndim in (4, 5) else torch.preserve_format
    known = {4: torch.channels_last, 5: torch.channels_last_3d}
    return known.get(tensor.ndim, torch.preserve_format)


def case_arguments(case: Case, network: Network, torch_device: str) -> Arguments:
    """What one call of the network is given: its own inputs, or random images."""
    import torch

    from models.network import Arguments

    if network.inputs is None:
        return Arguments((random_images(case, torch_device),))
    made = network.inputs(case.batch, torch.device(torch_device))
    return made.each(partial(cast_input, case))


def random_labels(case: Case, torch_device: str) -> torch.Tensor:
    """Fixed labels of shape (batch,), uniform over the classes."""
    import torch

    return torch.randint(case.classes, (case.batch,), device=torch_device)
