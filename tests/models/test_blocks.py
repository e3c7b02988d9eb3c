"""Blocks of convolutions: what their names stand for, what they cost, and that they run."""

from __future__ import annotations

import pytest
import torch

from models.arch import Activation, Conv, Pool
from models.blocks import KERNELS, POINTWISE, STAGES, Kernel, Stage, block, block_name
from models.catalogue import MODELS, Input, Ours, defaults, parse, why_impossible
from models.closed_form import cost, shapes
from models.errors import UserError
from models.kernel_stacks import factorised, single_cost, stack_cost
from models.load import load


def test_a_name_and_its_layers() -> None:
    arch = block("block:256:3x3-relu-3x3-1x1-tanh")
    three, one = Conv(256, 3, padding=1), Conv(256, 1)
    assert arch.layers == (three, Activation("relu"), three, one, Activation("tanh"))
    assert parse(arch.name) == Ours(arch)
    assert block_name(256, "3x3-relu-3x3-1x1-tanh") == arch.name


def test_the_stages_are_those_of_vgg() -> None:
    arch = MODELS["vgg16"]
    found = [
        (layer.channels, output[1])
        for layer, output in zip(arch.layers, shapes(arch), strict=True)
        if isinstance(layer, Conv)
    ]
    assert list(dict.fromkeys(found)) == [(stage.channels, stage.image) for stage in STAGES]
    assert sum(isinstance(layer, Pool) for layer in arch.layers) == len(STAGES)


def test_a_blocks_own_input_is_that_of_a_stage() -> None:
    own = {stage.channels: defaults(block_name(stage.channels, "3x3")) for stage in STAGES}
    assert own == {
        64: Input(64, 224, 64),
        128: Input(128, 112, 128),
        256: Input(256, 56, 256),
        512: Input(512, 28, 512),
    }
    assert defaults("block:96:3x3") == Input(96, 56, 96)
    assert why_impossible("block:64:11x11", 3, 1, 10) is None


def test_kernels_and_their_stacks() -> None:
    assert [kernel.side for kernel in KERNELS] == [5, 7, 11]
    assert [KERNELS[1].single, KERNELS[1].linear, KERNELS[1].activated] == [
        "7x7",
        "3x3-3x3-3x3",
        "3x3-relu-3x3-relu-3x3",
    ]
    for kernel in KERNELS:
        single = block(block_name(8, kernel.single))
        assert factorised(single).layers == block(block_name(8, kernel.linear)).layers
        for layers in (kernel.single, kernel.linear, kernel.activated):
            closed = cost(block(block_name(8, layers)), image=16)
            assert closed.layers[-1].receptive_field == kernel.side
            assert closed.layers[-1].output_shape == (8, 16, 16)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.single)
@pytest.mark.parametrize("inputs", [None, 3])
def test_a_block_costs_what_the_closed_form_says(stage: Stage, kernel: Kernel, inputs: int | None) -> None:
    channels = inputs or stage.channels
    side = stage.image
    single = single_cost(kernel.side, channels, stage.channels, height=side, width=side)
    stack = stack_cost(kernel.side, channels, stage.channels, height=side, width=side)
    for layers, closed in ((kernel.single, single), (kernel.linear, stack), (kernel.activated, stack)):
        found = cost(block(block_name(stage.channels, layers)), channels=channels, image=stage.image)
        assert (found.parameters, found.macs) == (closed.parameters, closed.macs)
        assert found.activations == closed.activations
        assert found.parameters_linear == 0


def test_the_later_stages_of_b_c_and_d() -> None:
    archs = [block(block_name(4, layers)) for layers in POINTWISE]
    kernels = [[layer.kernel for layer in arch.layers if isinstance(layer, Conv)] for arch in archs]
    assert kernels == [[3, 3], [3, 3, 1], [3, 3, 3]]


@pytest.mark.parametrize("layers", ["5x5", "3x3-relu-3x3", "3x3-1x1-sigmoid"])
def test_a_block_runs_forward_and_backward(layers: str) -> None:
    torch.manual_seed(0)
    module = load(block_name(6, layers), channels=4, image=9, classes=6).module
    images = torch.randn(2, 4, 9, 9, requires_grad=True)
    output = module(images)
    assert output.shape == (2, 6, 9, 9)
    output.backward(torch.randn_like(output))
    assert images.grad is not None
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "block:5x5",
            "cannot read block 'block:5x5'. Write block:CHANNELS:LAYERS.*such as block:256:3x3-relu-3x3",
        ),
        ("block:256:", "cannot read"),
        ("block:0:3x3", "cannot read"),
        ("block:64:relu-3x3", "cannot read"),
        ("block:64:3x3-relu-relu", "cannot read"),
        ("block:64:3x3--3x3", "cannot read"),
        ("block:64:3x3-gelu-3x3", "cannot read.*relu, tanh, sigmoid"),
        ("block:64:3x3+norm=bn", "cannot read"),
        ("block:64:3x5", "kernel 3x5 of block 'block:64:3x5' must be square"),
        ("block:64:4x4", "kernel 4x4 of block 'block:64:4x4' must be square and odd"),
    ],
)
def test_bad_names_are_told_in_a_sentence(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as told:
        parse(name)
    assert "\n" not in str(told.value)
