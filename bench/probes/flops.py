"""FLOPs of a module as two libraries count them, beside what its operators do by our own formulas.

fvcore counts one forward, `torch.utils.flop_counter` forward and backward. Torch's counter sees shapes only,
so it is given a copy on the `meta` device, and the module itself where that fails (it looks at values).
Convolutions and matrix products must agree to the last unit, see `compare`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import torch
from msgspec import Struct
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from bench.outputs.main_output import main_output
from bench.probes.meta_modules import beside, in_mode, meta_copy, with_shapes_only
from bench.probes.operator_macs import is_suspect
from bench.probes.operator_work import StepWork, without_fast_path
from bench.probes.step_work import step_work
from models.errors import UserError
from models.network import Arguments

aten = torch.ops.aten

TORCH_CONVOLUTION = re.compile("_?convolution(_backward)?")
FVCORE_CONVOLUTIONS = ("conv",)
FVCORE_PRODUCTS = ("linear", "addmm", "mm", "bmm", "matmul", "einsum")
FVCORE_LARGEST = 2 * 10**10
"""Multiply-accumulates of the largest batch that fvcore, which computes it, is given as it is."""


class OperatorFlops(Struct, frozen=True, kw_only=True):
    """What one counter counts in one pass, in FLOPs.

    products   of matrices: linear layers, attention and others
    other      operators that are neither, by name; fvcore's figures for them are its own estimates
    """

    convolution: int
    products: int
    other: dict[str, int] = {}

    @property
    def total(self) -> int:
        """Convolutions and products, which is what the counters are compared on."""
        return self.convolution + self.products


class FlopCounts(Struct, frozen=True, kw_only=True):
    """The counts of one network on one batch, in eval mode; None where a counter could not run, for which
    `notes` has the reason. Those of torch are also there by operator."""

    fvcore: OperatorFlops | None
    torch_forward: OperatorFlops | None
    torch_backward: OperatorFlops | None
    torch_operators: dict[str, dict[str, int]] = {}
    notes: tuple[str, ...] = ()


def count_flops(
    module: nn.Module, arguments: Arguments, one: Arguments | None = None, batch: int = 1
) -> FlopCounts:
    """Both counters on one call with the arguments, in eval mode; the module itself is left as it was.

    fvcore computes, so where the arguments are `batch` times those of `one` image it counts that one.
    """
    notes: list[str] = []
    torch_counts = _attempt(
        "torch cannot count", notes, lambda: with_shapes_only(module, arguments, _torch_counts)
    )
    forward, backward = torch_counts if torch_counts else (None, None)
    skipped: list[str] = []
    fvcore = _attempt(
        "fvcore cannot trace", notes, lambda: _fvcore_counts(module, one or arguments, batch, skipped)
    )
    if skipped:
        notes.append(f"fvcore has no formula for {', '.join(skipped)}")
    if one is not None and batch > 1 and fvcore is not None:
        notes.append(f"fvcore, which computes, counted one image, and its figure is that times {batch}")
    return FlopCounts(
        fvcore=fvcore,
        torch_forward=None if forward is None else _torchs(forward),
        torch_backward=None if backward is None else _torchs(backward),
        torch_operators=dict(zip(("forward", "backward"), torch_counts or (), strict=False)),
        notes=tuple(notes),
    )


def step_flops(
    module: nn.Module, arguments: Arguments, *, training: bool, classes: int, input_gradient: bool = False
) -> tuple[int, int]:
    """FLOPs of forward and of backward (0 unless `training`) of one step, 2 x what `step_work` counts."""
    work = step_work(module, arguments, training=training, classes=classes, input_gradient=input_gradient)
    return 2 * work.macs("forward"), 2 * work.macs("backward")


def compare(
    expected: tuple[OperatorFlops, OperatorFlops], counts: FlopCounts, by: str = "the closed form"
) -> list[str]:
    """Every disagreement with what is `expected` (forward, backward) by the closed form or by formulas for
    operators, in a sentence each."""
    forward, backward = expected
    sides = (
        ("fvcore", "forward", forward, counts.fvcore),
        ("torch", "forward", forward, counts.torch_forward),
        ("torch", "backward", backward, counts.torch_backward),
    )
    return [
        f"{counter} counts {got:,} FLOPs of {what} in the {phase} pass, {by} {want:,}"
        for counter, phase, right, counted in sides
        if counted is not None
        for what, want, got in (
            ("convolutions", right.convolution, counted.convolution),
            ("matrix products", right.products, counted.products),
        )
        if want != got
    ]


def uncompared(counts: FlopCounts, work: StepWork) -> dict[str, int]:
    """What one counter counts and another does not: `counter operator` -> FLOPs."""
    found = {
        f"fvcore {name}": flops for name, flops in (counts.fvcore.other if counts.fvcore else {}).items()
    }
    for phase in ("forward", "backward"):
        theirs = counts.torch_operators.get(phase)
        if theirs is None:
            continue
        ours = {name: 2 * macs for name, macs in work.by_operator(phase).items() if macs}
        found |= {f"torch {phase} {name}": flops for name, flops in theirs.items() if name not in ours}
        found |= {f"convbench {phase} {name}": flops for name, flops in ours.items() if name not in theirs}
    return found


def of_work(work: StepWork) -> tuple[OperatorFlops, OperatorFlops]:
    """What our formulas say, forward and backward."""
    forward, backward = (
        OperatorFlops(
            convolution=2 * work.macs(phase, "conv"),
            products=2 * (work.macs(phase) - work.macs(phase, "conv")),
        )
        for phase in ("forward", "backward")
    )
    return forward, backward


def _attempt(failing: str, notes: list[str], count: Callable[[], Any]) -> Any:
    """What a counter counts; None, and a note, where it fails, as it may on code that runs otherwise."""
    try:
        return count()
    except Exception as error:  # noqa: BLE001
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        notes.append(f"{failing} this network: {words}")
        return None


def _torchs(counts: Mapping[str, int]) -> OperatorFlops:
    convolution = sum(
        flops for name, flops in counts.items() if TORCH_CONVOLUTION.fullmatch(name.rpartition(".")[2])
    )
    return OperatorFlops(convolution=convolution, products=sum(counts.values()) - convolution)


def _fvcore_counts(module: nn.Module, one: Arguments, batch: int, skipped: list[str]) -> OperatorFlops:
    """fvcore's count of one call, times the batch. It computes: torch.jit traces nothing on `meta`."""
    if one.keywords:
        raise ValueError("it takes no keyword arguments")
    if any(each.is_meta for each in module.parameters()):
        module = meta_copy(module).to_empty(device="cpu")
    with warnings.catch_warnings(), torch.no_grad(), in_mode(module, training=False), without_fast_path():
        warnings.simplefilter("ignore")  # fvcore traces with torch.jit, which says at length that it is old
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(module, beside(module, one).each(torch.clone).positional)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        counts = {name: batch * int(count) for name, count in analysis.by_operator().items()}
        names = (name.rpartition("::")[2] for name in analysis.unsupported_ops())
        skipped += [name for name in names if is_suspect(name)]
    # Multiply-accumulates for these; its estimates for other operators count every operation already.
    macs = (*FVCORE_CONVOLUTIONS, *FVCORE_PRODUCTS)
    return OperatorFlops(
        convolution=2 * sum(counts.get(name, 0) for name in FVCORE_CONVOLUTIONS),
        products=2 * sum(counts.get(name, 0) for name in FVCORE_PRODUCTS),
        other={name: count for name, count in counts.items() if name not in macs},
    )


def _torch_counts(module: nn.Module, arguments: Arguments) -> tuple[dict[str, int], dict[str, int]]:
    """FLOPs by operator of the forward pass and of the backward pass of the main output."""
    with torch.enable_grad(), without_fast_path():
        with _counter() as forward_counter:
            outputs = arguments.call(module)
        try:
            main = main_output(outputs).tensor
        except UserError:  # nothing in it has a gradient
            return _counts(forward_counter), {}
        with _counter() as backward_counter:
            if main.requires_grad:
                torch.autograd.backward([main], [torch.ones_like(main)])
    return _counts(forward_counter), _counts(backward_counter)


def _counter() -> FlopCounterMode:
    return FlopCounterMode(
        display=False, custom_mapping={aten.convolution_backward: convolution_backward_flops}
    )


def _counts(counter: FlopCounterMode) -> dict[str, int]:
    """By operator, named as `operator_work` names them."""
    by_operator = counter.get_flop_counts().get("Global", {})
    return {f"aten.{operator.__name__}": int(flops) for operator, flops in by_operator.items() if flops}


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
