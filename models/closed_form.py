"""What a network costs, in closed form, layer by layer; pure arithmetic, no torch.

MACs are multiply-accumulates of convolutions, linear layers and other matrix products (biases, norms,
activations and pooling are not counted); FLOPs are 2 x MACs. All but parameters and receptive fields are for
one batch.
"""

from __future__ import annotations

import math
from fractions import Fraction

from msgspec import Struct

from models.arch import AdaptivePool, Arch, BatchNorm, Conv, Flatten, Layer, Linear, Pool, kind, layer_names

Shape = tuple[int, ...]
"""Of one image: (channels, height, width), or (features,) after `Flatten`."""

BYTES_PER_ELEMENT = 4
"""fp32"""

LARGEST_SEARCHED_IMAGE = 4096


class ImageTooSmallError(ValueError):
    """The image vanishes inside the network; the message names the layer and what would work."""


class LayerCost(Struct, frozen=True, kw_only=True):
    """One layer.

    window           kernel and stride as text ("11x11/4", "3x3"), None where there is no window
    output_shape     of one image
    receptive_field  side of the square of input pixels that one output sees, on an unbounded image; for a
                     linear layer the image, None where it is not known (networks that are not ours)
    jump             input pixels between neighbouring outputs; None for linear layers and where not known
    activations      output elements of the batch
    bytes            the layer's parameters, once, and its output for the batch, at 4 bytes an element
    flops_backward   gradient of the weight and of the input; without the latter where nothing before the
                     layer has parameters
    """

    name: str
    kind: str
    window: str | None = None
    output_shape: Shape
    receptive_field: int | None = None
    jump: float | None = None
    parameters: int
    macs: int
    flops_forward: int
    flops_backward: int
    activations: int
    bytes: int


class Cost(Struct, frozen=True, kw_only=True):
    """A network on one batch of square images (`image` pixels a side), or of what `input` says.

    input            shapes and dtypes of a batch of anything else, `4x12 int64`; None for square images
    parameters_conv and parameters_linear include biases; batch normalisation belongs to neither.
    macs             the sum of the four parts: macs_attention are the two products of attention, without its
                     projections, which are linear; macs_other are products in which both factors, or
                     neither, are made of the input. Our own networks have neither of these two.
    activations      output elements of convolutions and linear layers only
    """

    model: str
    image: int
    channels: int
    classes: int
    batch: int
    parameters: int
    parameters_conv: int
    parameters_linear: int
    macs: int
    macs_conv: int
    macs_linear: int
    macs_attention: int = 0
    macs_other: int = 0
    flops_forward: int
    flops_backward: int
    activations: int
    layers: tuple[LayerCost, ...]
    input: str | None = None

    @property
    def given(self) -> str:
        """What the network takes, `3x224x224` for each image of a batch or `input`."""
        return self.input or f"{self.channels}x{self.image}x{self.image}"


def side_after(layer: Layer, side: int) -> int:
    """The side in pixels of the layer's output from that of its input; below 1 where nothing is left."""
    match layer:
        case Conv() | Pool():
            return (side + 2 * layer.padding - layer.kernel) // layer.stride + 1
        case AdaptivePool():
            return layer.size
        case _:
            return side


def _first_failing(arch: Arch, image: int) -> int | None:
    """The index of the layer at which nothing is left of an image, if there is one."""
    side = image
    for index, layer in enumerate(arch.layers):
        side = side_after(layer, side)
        if side < 1:
            return index
    return None


def smallest_image(arch: Arch) -> int:
    """The side in pixels of the smallest square image that the network takes."""
    return next(n for n in range(1, LARGEST_SEARCHED_IMAGE) if _first_failing(arch, n) is None)


def shapes(
    arch: Arch, *, channels: int | None = None, image: int | None = None, classes: int | None = None
) -> tuple[Shape, ...]:
    """The output shape of every layer for one image; what is not given is the network's own default.

    Raises ImageTooSmallError.
    """
    side = arch.image if image is None else image
    failing = _first_failing(arch, side)
    if failing is not None:
        raise ImageTooSmallError(
            f"{arch.name} cannot take images of {side}x{side}: nothing is left after"
            f" {layer_names(arch)[failing]}; the smallest image that works is"
            f" {smallest_image(arch)}x{smallest_image(arch)}"
        )
    shape: Shape = (arch.channels if channels is None else channels, side, side)
    outputs = []
    for layer in arch.layers:
        match layer:
            case Linear():
                last = arch.classes if classes is None else classes
                shape = (last if layer.features is None else layer.features,)
            case Flatten():
                shape = (math.prod(shape),)
            case _:
                out_channels = layer.channels if isinstance(layer, Conv) else shape[0]
                if len(shape) == 3:
                    shape = (out_channels, *[side_after(layer, shape[1])] * 2)
        outputs.append(shape)
    return tuple(outputs)


def parameters(layer: Layer, given: Shape, output: Shape) -> int:
    """Weights and biases of a layer that turns the one shape into the other."""
    match layer:
        case Conv():
            return layer.channels * (given[0] // layer.groups * layer.kernel**2 + 1)
        case Linear():
            return (given[0] + 1) * output[0]
        case BatchNorm():
            return 2 * given[0]
    return 0


def macs(layer: Layer, given: Shape, output: Shape) -> int:
    """Multiply-accumulates of a layer for one image."""
    match layer:
        case Conv():
            return math.prod(output) * (given[0] // layer.groups) * layer.kernel**2
        case Linear():
            return math.prod(given) * math.prod(output)
    return 0


class _View(Struct, frozen=True):
    """What one output of a layer sees of the image: the side of the square, and the step between squares."""

    field: Fraction = Fraction(1)
    jump: Fraction = Fraction(1)

    def through(self, layer: Layer, side: int) -> _View:
        """The view after one more layer, whose input has this side."""
        match layer:
            case Conv() | Pool():
                return _View(self.field + (layer.kernel - 1) * self.jump, self.jump * layer.stride)
            case AdaptivePool():
                return _View(
                    self.field + (_widest_window(side, layer.size) - 1) * self.jump,
                    self.jump * Fraction(side, layer.size),
                )
        return self


def _views(arch: Arch, inputs: tuple[Shape, ...]) -> list[_View]:
    """The view of every layer; what follows `Flatten` keeps the last one and has no use for it."""
    view = _View()
    views = []
    for layer, given in zip(arch.layers, inputs, strict=True):
        view = view.through(layer, given[-1])
        views.append(view)
    return views


def _widest_window(side: int, size: int) -> int:
    """The widest window of adaptive pooling: from floor(i * side / size) to ceil((i + 1) * side / size)."""
    return max(-(-(i + 1) * side // size) - i * side // size for i in range(size))


def _window(layer: Layer) -> str | None:
    if not isinstance(layer, Conv | Pool):
        return None
    stride = f"/{layer.stride}" if layer.stride > 1 else ""
    return f"{layer.kernel}x{layer.kernel}{stride}"


def cost(
    arch: Arch,
    *,
    channels: int | None = None,
    image: int | None = None,
    classes: int | None = None,
    batch: int = 1,
) -> Cost:
    """The closed-form cost; what is not given is the network's own default. Raises ImageTooSmallError."""
    channels = arch.channels if channels is None else channels
    image = arch.image if image is None else image
    classes = arch.classes if classes is None else classes
    outputs = shapes(arch, channels=channels, image=image, classes=classes)
    inputs: tuple[Shape, ...] = ((channels, image, image), *outputs[:-1])
    names = layer_names(arch)
    views = _views(arch, inputs)
    held = [parameters(*each) for each in zip(arch.layers, inputs, outputs, strict=True)]
    rows = []
    for i, layer in enumerate(arch.layers):
        flops = 2 * batch * macs(layer, inputs[i], outputs[i])
        elements = batch * math.prod(outputs[i])
        spatial = len(outputs[i]) == 3
        rows.append(
            LayerCost(
                name=names[i],
                kind=kind(layer),
                window=_window(layer),
                output_shape=outputs[i],
                receptive_field=math.ceil(views[i].field) if spatial else image,
                jump=float(views[i].jump) if spatial else None,
                parameters=held[i],
                macs=flops // 2,
                flops_forward=flops,
                flops_backward=flops * (2 if any(held[:i]) else 1),
                activations=elements,
                bytes=BYTES_PER_ELEMENT * (held[i] + elements),
            )
        )
    return _summed(rows, model=arch.name, image=image, channels=channels, classes=classes, batch=batch)


def _summed(
    rows: list[LayerCost], *, model: str, image: int, channels: int, classes: int, batch: int
) -> Cost:
    conv = [row for row in rows if row.kind == "conv"]
    linear = [row for row in rows if row.kind == "linear"]
    return Cost(
        model=model,
        image=image,
        channels=channels,
        classes=classes,
        batch=batch,
        parameters=sum(row.parameters for row in rows),
        parameters_conv=sum(row.parameters for row in conv),
        parameters_linear=sum(row.parameters for row in linear),
        macs=sum(row.macs for row in rows),
        macs_conv=sum(row.macs for row in conv),
        macs_linear=sum(row.macs for row in linear),
        flops_forward=sum(row.flops_forward for row in rows),
        flops_backward=sum(row.flops_backward for row in rows),
        activations=sum(row.activations for row in conv + linear),
        layers=tuple(rows),
    )
