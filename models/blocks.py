"""A few convolutions as a network of their own, without a classifier: one layer against its stack.

`block:256:3x3-relu-3x3` is two 3x3 convolutions with 256 outputs each, at the resolution of their input.
Like any network a block takes what channels and image it is given; its own are those of a VGG stage.
"""

from __future__ import annotations

import re

from msgspec import Struct

from models.arch import Activation, Arch, Conv, Layer
from models.errors import UserError
from models.kernel_stacks import stack_depth

PREFIX = "block:"
FORM = f"{PREFIX}CHANNELS:LAYERS"


class Stage(Struct, frozen=True):
    """A stage of the VGG networks: the channels of its convolutions, and its side in pixels at 224."""

    name: str
    channels: int
    image: int


STAGES = (
    Stage("conv1", 64, 224),
    Stage("conv2", 128, 112),
    Stage("conv3", 256, 56),
    Stage("conv4", 512, 28),
    Stage("conv5", 512, 14),
)
"""Simonyan & Zisserman 2014, table 1."""


class Kernel(Struct, frozen=True):
    """One convolution, and its stack without and with the ReLU between, as the layers of a block's name."""

    side: int
    single: str
    linear: str
    activated: str


def _kernel(side: int) -> Kernel:
    stack = ["3x3"] * stack_depth(side)
    return Kernel(side, f"{side}x{side}", "-".join(stack), "-relu-".join(stack))


KERNELS = (_kernel(5), _kernel(7), _kernel(11))

POINTWISE = ("3x3-relu-3x3", "3x3-relu-3x3-relu-1x1", "3x3-relu-3x3-relu-3x3")
"""The third stage of configurations B, C and D, but for the last ReLU: what a 1x1 adds, and a 3x3."""

_ACTIVATIONS = {each.kind: each for each in (Activation("relu"), Activation("tanh"), Activation("sigmoid"))}
_LAYER = rf"[1-9][0-9]?x[1-9][0-9]?(-({'|'.join(_ACTIVATIONS)}))?"
_NAME = re.compile(rf"{PREFIX}(?P<channels>[1-9][0-9]{{0,3}}):(?P<layers>{_LAYER}(-{_LAYER})*)")


def block_name(channels: int, layers: str) -> str:
    """The name under which the catalogue has a block: of its outputs, and its layers joined by dashes."""
    return f"{PREFIX}{channels}:{layers}"


def is_block(name: str) -> bool:
    """Whether a model's name is that of a block."""
    return name.startswith(PREFIX)


def block(name: str) -> Arch:
    """The block of a name; its classes are its channels, and no layer asks for them.

    Raises UserError for a name that cannot be read.
    """
    read = _NAME.fullmatch(name)
    if read is None:
        raise UserError(
            f"cannot read block {name!r}. Write {FORM}, layers joined by dashes, such as"
            f" {block_name(256, '3x3-relu-3x3')}; layers are KxK,"
            f" each optionally followed by {', '.join(_ACTIVATIONS)}"
        )
    channels = int(read["channels"])
    return Arch(
        name=name,
        summary=f"{read['layers']} with {channels} channels",
        source="Simonyan & Zisserman 2014, section 2.3",
        year=2014,
        layers=tuple(_layer(word, channels, name) for word in read["layers"].split("-")),
        channels=channels,
        image=next((stage.image for stage in STAGES if stage.channels == channels), 56),
        classes=channels,
    )


def _layer(word: str, channels: int, name: str) -> Layer:
    if word in _ACTIVATIONS:
        return _ACTIVATIONS[word]
    height, width = map(int, word.split("x"))
    if height != width or height % 2 == 0:
        raise UserError(f"kernel {word} of block {name!r} must be square and odd, to keep the resolution")
    return Conv(channels, height, padding=height // 2)
