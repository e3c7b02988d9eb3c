"""FLOPs of a module as two libraries count them.

fvcore counts one forward, `torch.utils.flop_counter` forward and backward. Torch's counter sees shapes only,
so it is given a copy on the `meta` device, and the module itself where that fails (it looks at values).
Convolutions and linear layers must agree to the last unit, see `compare`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from math import prod
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from bench.probes.meta_modules import beside, meta_copy, on_meta_or_itself
from models.network import Arguments

aten = torch.ops.aten


TORCH_CONVOLUTIONS = ("convolution", "_convolution", "convolution_backward")
TORCH_LINEAR = ("addmm", "mm")
FVCORE_CONVOLUTIONS = ("conv",)
FVCORE_LINEAR = ("linear", "addmm")


class OperatorFlops(Struct, frozen=True, kw_only=True):
    """What one counter counts in one pass, in FLOPs.

    other    operators that are neither, by name; fvcore's figures for them are its own estimates
    """

    convolution: int
    linear: int
    other: dict[str, int] = {}

    @property
    def total(self) -> int:
        """Convolutions and linear layers, which is what the counters are compared on."""
        return self.convolution + self.linear


class FlopCounts(Struct, frozen=True, kw_only=True):
    """The counts of one network on one batch, in eval mode; None where a counter could not run."""

    fvcore: OperatorFlops | None
    torch_forward: OperatorFlops
    torch_backward: OperatorFlops
    notes: tuple[str, ...] = ()

    @property
    def uncompared(self) -> dict[str, int]:
        """What one counter counts and another does not: `counter operator` -> FLOPs."""
        counters = {
            "fvcore": self.fvcore,
            "torch forward": self.torch_forward,
            "torch backward": self.torch_backward,
        }
        return {
            f"{counter} {operator}": flops
            for counter, counted in counters.items()
            if counted is not None
            for operator, flops in counted.other.items()
        }


def count_flops(
    module: nn.Module, arguments: Arguments, one: Arguments | None = None, batch: int = 1
) -> FlopCounts:
    """Both counters on one call with the arguments, in eval mode; the module itself is left as it was. fvcore
    computes, so where the arguments are `batch` times those of `one` image, it counts that one.

    What a module raises on `meta` is tried again on the module itself; what it raises there passes.
    """
    return on_meta_or_itself(module, lambda counted: _count(counted, arguments, one or arguments, batch))


def step_flops(
    module: nn.Module, arguments: Arguments, *, training: bool, input_gradient: bool = False
) -> tuple[int, int]:
    """FLOPs of forward and of backward (0 unless `training`) of one call, by torch's counter; backward to
    the inputs themselves where `input_gradient` says so.

    All operators that torch counts, in the mode that `training` says. Touches neither the module nor its
    device; raises what the module does where it cannot run on `meta`.
    """
    counted = meta_copy(module)
    counted.train(training)
    forward, backward = _torch_counts(counted, arguments, backward=training, input_gradient=input_gradient)
    return sum(forward.values()), sum(backward.values())


def compare(
    closed: tuple[OperatorFlops, OperatorFlops],
    fvcore: OperatorFlops | None,
    torch_forward: OperatorFlops,
    torch_backward: OperatorFlops,
) -> list[str]:
    """Every disagreement with the closed form (forward, backward), in a sentence each."""
    forward, backward = closed
    sides = [("torch", "forward", forward, torch_forward), ("torch", "backward", backward, torch_backward)]
    if fvcore is not None:
        sides.insert(0, ("fvcore", "forward", forward, fvcore))
    return [
        f"{counter} counts {got:,} FLOPs of {what} in the {phase} pass, the closed form {want:,}"
        for counter, phase, expected, counted in sides
        for what, want, got in (
            ("convolutions", expected.convolution, counted.convolution),
            ("linear layers", expected.linear, counted.linear),
        )
        if want != got
    ]


def _count(module: nn.Module, arguments: Arguments, one: Arguments, batch: int) -> FlopCounts:
    forward, backward = _torch_counts(module, arguments, backward=True)
    notes: tuple[str, ...] = ()
    try:
        fvcore = _fvcore_counts(module, one, batch)
    except Exception as error:  # noqa: BLE001  tracing may fail on any code that eager mode runs
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        fvcore, notes = None, (f"fvcore cannot trace this network: {words}",)
    return FlopCounts(
        fvcore=fvcore,
        torch_forward=_by_kind(forward, TORCH_CONVOLUTIONS, TORCH_LINEAR),
        torch_backward=_by_kind(backward, TORCH_CONVOLUTIONS, TORCH_LINEAR),
        notes=notes,
    )


def _by_kind(
    counts: Mapping[str, int], convolutions: tuple[str, ...], linear: tuple[str, ...]
) -> OperatorFlops:
    return OperatorFlops(
        convolution=sum(counts.get(name, 0) for name in convolutions),
        linear=sum(counts.get(name, 0) for name in linear),
        other={name: flops for name, flops in counts.items() if name not in (*convolutions, *linear)},
    )


def _fvcore_counts(module: nn.Module, one: Arguments, batch: int) -> OperatorFlops:
    """fvcore's count of one call, times the batch. It computes: torch.jit traces nothing on `meta`."""
    if one.keywords:
        raise ValueError("it takes no keyword arguments")
    if any(each.is_meta for each in module.parameters()):
        module = meta_copy(module).to_empty(device="cpu")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # fvcore traces with torch.jit, which says at length that it is old
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(module, beside(module, one).positional)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        counts = {name: batch * int(count) for name, count in analysis.by_operator().items()}
    # Multiply-accumulates for these; its estimates for other operators count every operation already.
    macs = (*FVCORE_CONVOLUTIONS, *FVCORE_LINEAR)
    flops = {name: 2 * count if name in macs else count for name, count in counts.items()}
    return _by_kind(flops, FVCORE_CONVOLUTIONS, FVCORE_LINEAR)


def _torch_counts(
    module: nn.Module, arguments: Arguments, *, backward: bool, input_gradient: bool = False
) -> tuple[dict[str, int], dict[str, int]]:
    """FLOPs by operator of the forward pass and, where asked for, of the backward pass."""
    with torch.enable_grad() if backward else torch.no_grad():
        with _counter() as forward_counter:
            output = beside(module, arguments).each(partial(_leaf, input_gradient)).call(module)
        backward_counter = _counter()
        if backward:
            leaves = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.requires_grad]
            loss = sum((leaf.sum() for leaf in leaves), torch.zeros(()))
            with backward_counter:
                loss.backward()
    return _counts(forward_counter), _counts(backward_counter)


def _leaf(differentiated: bool, tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_(differentiated and tensor.is_floating_point())


def _counter() -> FlopCounterMode:
    return FlopCounterMode(
        display=False, custom_mapping={aten.convolution_backward: convolution_backward_flops}
    )


def _counts(counter: FlopCounterMode) -> dict[str, int]:
    by_operator = counter.get_flop_counts().get("Global", {})
    return {operator.__name__: int(flops) for operator, flops in by_operator.items()}


def convolution_backward_flops(*args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    """Torch's own formula, less what it counts too much for grouped convolutions.

    It takes the gradient of a grouped weight for that of an ungrouped one, `groups` times as much (up to
    torch 2.15 at least). Only exactly that excess is taken off, so a torch without the fault is believed.
    Arguments are those of aten.convolution_backward with shapes for tensors.
    """
    counted = int(flop_registry[aten.convolution_backward](*args, out_val=out_shape, **kwargs))
    grad_output, given, weight = args[:3]
    transposed, groups, output_mask = args[7], args[9], args[10]
    one_gradient = 2 * given[0] * prod((given if transposed else grad_output)[2:]) * prod(weight)
    excess = (groups - 1) * one_gradient if output_mask[1] else 0
    return counted - excess if counted == sum(output_mask[:2]) * one_gradient + excess else counted
