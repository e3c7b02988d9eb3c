"""One large kernel against a stack of 3x3: what each costs, and architectures with one in the other's place.

A stack of n 3x3 convolutions sees the window of one convolution of side 2n + 1 (Simonyan & Zisserman 2014,
section 2.3), as long as none but the last has a stride.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Literal, TypeGuard

from msgspec import Struct, structs

from models.arch import Activation, Arch, Conv
from models.conv_units import ConvUnit, Part, flat, parts_of
from models.errors import UserError

Stride = Literal["late", "early"]
"""Whether the last layer of a stack or its first ones take over the stride of the convolution."""


class ConvCost(Struct, frozen=True, kw_only=True):
    """One convolution, or a stack, with stride 1 that keeps the resolution; for one image.

    weights      without the biases
    activations  output elements of all convolutions
    """

    weights: int
    biases: int
    macs: int
    activations: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.biases

    @property
    def flops(self) -> int:
        """Of one forward pass; a backward pass takes twice as many if it goes on to the input's gradient."""
        return 2 * self.macs


def stack_depth(kernel: int) -> int:
    """How many 3x3 convolutions see a window of kernel x kernel; ValueError for an even one and for 1."""
    if kernel < 3 or kernel % 2 == 0:
        raise ValueError(f"no stack of 3x3 convolutions sees a window of {kernel}x{kernel}")
    return (kernel - 1) // 2


def single_cost(
    kernel: int, inputs: int, outputs: int, *, groups: int = 1, height: int = 1, width: int = 1
) -> ConvCost:
    """One convolution from `inputs` to `outputs` channels: k^2 Ci Co / groups weights."""
    return _cost(kernel**2 * inputs * outputs // groups, 1, outputs, height * width)


def stack_cost(
    kernel: int, inputs: int, outputs: int, *, groups: int = 1, height: int = 1, width: int = 1
) -> ConvCost:
    """The stack in place of one convolution of side `kernel`: 9 (Ci + (n - 1) Co) Co / groups weights.

    All layers of the stack have `outputs` channels.
    """
    depth = stack_depth(kernel)
    weights = 9 * (inputs + (depth - 1) * outputs) * outputs // groups
    return _cost(weights, depth, outputs, height * width)


def _cost(weights: int, depth: int, outputs: int, pixels: int) -> ConvCost:
    return ConvCost(
        weights=weights,
        biases=depth * outputs,
        macs=weights * pixels,
        activations=depth * outputs * pixels,
    )


def predicted_ratio(kernel: int, inputs: int, outputs: int) -> Fraction:
    """The stack's weights over those of the one convolution, and so its FLOPs; groups and resolution cancel.

    18/25, 27/49 and 45/121 for 5x5, 7x7 and 11x11 with as many inputs as outputs; above 1 for few inputs.
    """
    depth = stack_depth(kernel)
    return Fraction(9 * (inputs + (depth - 1) * outputs), kernel**2 * inputs)


def break_even(kernel: int) -> Fraction:
    """The inputs for each output above which the stack has the fewer weights: 9/16 for 5x5; from 5 up."""
    return Fraction(9 * (stack_depth(kernel) - 1), kernel**2 - 9)


def factorised(arch: Arch, *, activated: bool = True, stride: Stride = "late") -> Arch:
    """Every convolution wider than 3x3 as a stack of 3x3; output sizes stay what they were for every image.

    The layers of a stack have the channels and groups of the convolution, and what follows it (batch
    normalisation, activation) follows each of them; with `activated` off, only the last has the activation.

    A stride on the last layer keeps the window: the stack sees what the convolution saw and no more, but its
    other layers work at the finer resolution. Taken early it is cheap, and the window wider: 31 pixels where
    AlexNet's 11x11 at stride 4 sees 11.

    UserError where there is nothing to factorise, and with `early` where there is no stride.
    """
    parts = parts_of(arch.layers)
    wide = [part.conv for part in parts if _is_wide(part)]
    if not wide:
        raise UserError(f"{arch.name} has no convolution wider than 3x3")
    if stride == "early" and all(conv.stride == 1 for conv in wide):
        raise UserError(f"{arch.name} has no stride in a convolution wider than 3x3")
    stacks = [_stack(part, activated, stride) if _is_wide(part) else (part,) for part in parts]
    return structs.replace(arch, layers=flat(itertools.chain.from_iterable(stacks)))


def merged(arch: Arch, kernel: int) -> Arch:
    """Each n stacked 3x3 convolutions as one of side `kernel` = 2n + 1, with the last one's channels.

    What is left over becomes one of its own window: with 7x7, three become a 7x7, two a 5x5, and one stays.
    Stacked are those of stride 1 and the same groups with nothing but batch normalisation and activation
    between them. VGG-13 with 5x5 is the shallow network of Simonyan & Zisserman 2014, section 4.1.

    UserError where no n are stacked.
    """
    depth = stack_depth(kernel)

    def merge(run: Sequence[ConvUnit]) -> Iterator[ConvUnit]:
        for start in range(0, len(run), depth):
            part = run[start : start + depth]
            conv, tail = part[-1]
            yield ConvUnit(structs.replace(conv, kernel=2 * len(part) + 1, padding=len(part)), tail)

    return _with_runs(arch, merge, shortest=depth)


def pointwise(arch: Arch) -> Arch:
    """The last of three or more stacked 3x3 convolutions as a 1x1: VGG-16 becomes configuration C.

    UserError where no three are stacked.
    """

    def narrow(run: Sequence[ConvUnit]) -> Sequence[ConvUnit]:
        *before, (conv, tail) = run
        return [*before, ConvUnit(structs.replace(conv, kernel=1, padding=0), tail)] if len(run) > 2 else run

    return _with_runs(arch, narrow, shortest=3)


def _with_runs(
    arch: Arch, rewrite: Callable[[Sequence[ConvUnit]], Iterable[ConvUnit]], *, shortest: int
) -> Arch:
    """Every run of stacked 3x3 convolutions rewritten; UserError where none has `shortest`."""
    parts: list[Part] = []
    longest = 0
    for groups, run in itertools.groupby(parts_of(arch.layers), stacked_groups):
        if groups is None:
            parts += run
            continue
        units = [part for part in run if isinstance(part, ConvUnit)]
        parts += rewrite(units)
        longest = max(longest, len(units))
    if longest < shortest:
        raise UserError(f"{arch.name} has no {shortest} stacked 3x3 convolutions")
    return structs.replace(arch, layers=flat(parts))


def stacked_groups(part: Part) -> int | None:
    """The groups of a 3x3 convolution that keeps the resolution; None for all else."""
    if isinstance(part, ConvUnit) and part.conv == Conv(part.conv.channels, 3, 1, 1, part.conv.groups):
        return part.conv.groups
    return None


def _is_wide(part: Part) -> TypeGuard[ConvUnit]:
    return isinstance(part, ConvUnit) and part.conv.kernel > 3 and part.conv.kernel % 2 == 1


def _stack(unit: ConvUnit, activated: bool, stride: Stride) -> list[ConvUnit]:
    """The stack in place of a convolution; one without a stride has nothing to be early with."""
    conv, tail = unit
    strides, paddings = _early(conv) if stride == "early" and conv.stride > 1 else _late(conv)
    *inner, last = (
        Conv(conv.channels, 3, step, padding, conv.groups)
        for step, padding in zip(strides, paddings, strict=True)
    )
    between = tail if activated else tuple(layer for layer in tail if not isinstance(layer, Activation))
    return [*(ConvUnit(each, between) for each in inner), ConvUnit(last, tail)]


def _late(conv: Conv) -> tuple[list[int], list[int]]:
    """Strides and paddings of a stack with the stride on its last layer.

    Ahead of the stride only the sum of the paddings decides the side: it is spread, earlier layers first.
    """
    depth = stack_depth(conv.kernel)
    least, more = divmod(conv.padding, depth)
    return [1] * (depth - 1) + [conv.stride], [least + 1] * more + [least] * (depth - more)


def _early(conv: Conv) -> tuple[list[int], list[int]]:
    """Strides and paddings of a stack with the stride on its first layers.

    In steps of 2, since a 3x3 with a stride of 4 would skip every fourth row and column. With p_i the padding
    of layer i and J_i the product of the strides before it, the side is that of the convolution, for every
    image, if p_1 + sum of J_i (p_i - 1) over the others = p - (k - 3) / 2. Usually p_i is 1; from the last
    on it is 0 until p_1 need not be negative.
    """
    depth = stack_depth(conv.kernel)
    steps = _halvings(conv.stride) + [1] * depth
    strides = [*steps[: depth - 1], math.prod(steps[depth - 1 :])]
    jumps = list(itertools.accumulate([1, *strides], operator.mul))
    paddings = [1] * depth
    first = conv.padding - (conv.kernel - 3) // 2
    for layer in range(depth - 1, 0, -1):
        if first < 0:
            paddings[layer] = 0
            first += jumps[layer]
    return strides, [first, *paddings[1:]]


def _halvings(stride: int) -> list[int]:
    """The stride as factors of 2, as far as it has them, and what is left: 4 = 2 x 2 x 1."""
    return [2, *_halvings(stride // 2)] if stride % 2 == 0 else [stride]
