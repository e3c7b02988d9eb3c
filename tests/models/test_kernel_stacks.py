"""Kernels and their stacks: closed forms against torch, windows against gradients, networks by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode

from models.arch import Activation, Arch, BatchNorm, Conv, Layer, Pool, ResponseNorm
from models.build import build
from models.catalogue import MODELS, arch_of
from models.closed_form import ImageTooSmallError, cost, shapes, smallest_image
from models.errors import UserError
from models.kernel_stacks import (
    ConvCost,
    break_even,
    factorised,
    merged,
    pointwise,
    predicted_ratio,
    single_cost,
    stack_cost,
    stack_depth,
)

RELU = Activation("relu")
BN = BatchNorm()
WIDE = st.sampled_from((5, 7, 9, 11))
SMALL = st.integers(1, 3)


def network(*layers: Layer, channels: int = 1, image: int = 32) -> Arch:
    return Arch(
        name="made-up", summary="", source="", year=2000, layers=layers, channels=channels, image=image
    )


def convs(arch: Arch) -> list[Conv]:
    return [layer for layer in arch.layers if isinstance(layer, Conv)]


def kernels(arch: Arch) -> list[int]:
    return [conv.kernel for conv in convs(arch)]


def variant(name: str) -> Arch:
    arch = arch_of(name)
    assert arch is not None
    return arch


# What one convolution costs, and its stack.


def measured(module: nn.Sequential, inputs: int, height: int, width: int) -> tuple[ConvCost, int]:
    """What torch says of convolutions alone: their cost, and the FLOPs of a backward pass to the input."""
    weights = sum(part.weight.numel() for part in module if isinstance(part, nn.Conv2d))
    activations: list[int] = []
    for part in module:
        part.register_forward_hook(lambda _, __, out: activations.append(out.numel()))
    images = torch.empty(1, inputs, height, width, device="meta", requires_grad=True)
    with FlopCounterMode(display=False) as forward:
        output = module(images)
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    found = ConvCost(
        weights=weights,
        biases=sum(each.numel() for each in module.parameters()) - weights,
        macs=forward.get_total_flops() // 2,
        activations=sum(activations),
    )
    return found, backward.get_total_flops()


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(WIDE, SMALL, SMALL, SMALL, st.integers(1, 9), st.integers(1, 9))
def test_closed_forms_are_what_torch_makes(
    kernel: int, groups: int, inputs: int, outputs: int, height: int, width: int
) -> None:
    inputs, outputs = groups * inputs, groups * outputs
    with torch.device("meta"):
        single = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups))
        channels = [inputs] + [outputs] * stack_depth(kernel)
        stack = nn.Sequential(*(nn.Conv2d(c, outputs, 3, padding=1, groups=groups) for c in channels[:-1]))
    for module, closed in (
        (single, single_cost(kernel, inputs, outputs, groups=groups, height=height, width=width)),
        (stack, stack_cost(kernel, inputs, outputs, groups=groups, height=height, width=width)),
    ):
        found, backward = measured(module, inputs, height, width)
        assert found == closed
        assert found.parameters == sum(each.numel() for each in module.parameters())
        if groups == 1:  # torch multiplies the weight gradient of a grouped convolution by its groups
            assert backward == 2 * closed.flops


def test_the_textbooks_weights() -> None:
    c = 64
    assert (stack_cost(5, c, c).weights, single_cost(5, c, c).weights) == (18 * c**2, 25 * c**2)
    assert (stack_cost(7, c, c).weights, single_cost(7, c, c).weights) == (27 * c**2, 49 * c**2)
    ratios = [predicted_ratio(kernel, c, c) for kernel in (3, 5, 7, 11)]
    assert ratios == [1, Fraction(18, 25), Fraction(27, 49), Fraction(45, 121)]


@given(WIDE, st.integers(1, 600), st.integers(1, 600))
def test_the_predicted_ratio_is_that_of_the_weights(kernel: int, inputs: int, outputs: int) -> None:
    ratio = Fraction(
        stack_cost(kernel, inputs, outputs).weights, single_cost(kernel, inputs, outputs).weights
    )
    assert predicted_ratio(kernel, inputs, outputs) == ratio
    assert (ratio < 1) == (Fraction(inputs, outputs) > break_even(kernel))


def test_few_inputs_favour_the_large_kernel() -> None:
    assert break_even(5) == Fraction(9, 16)
    assert predicted_ratio(5, 64, 128) == Fraction(27, 25)
    assert predicted_ratio(11, 3, 64) == Fraction(9 * (3 + 4 * 64), 121 * 3) > 6


@pytest.mark.parametrize("kernel", [1, 2, 4, 0])
def test_windows_that_no_stack_sees(kernel: int) -> None:
    with pytest.raises(ValueError, match=f"{kernel}x{kernel}"):
        stack_depth(kernel)


# What a stack sees, and what it leaves.


def seen(arch: Arch, row: int, column: int) -> Tensor:
    """Which pixels move one output: nothing cancels where all is positive and pooling is an average."""
    smooth = [
        structs.replace(layer, kind="avg") if isinstance(layer, Pool) else layer
        for layer in arch.layers
        if not isinstance(layer, BatchNorm | ResponseNorm)
    ]
    module = build(structs.replace(arch, layers=tuple(smooth))).double()
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    image = torch.ones(1, arch.channels, arch.image, arch.image, dtype=torch.double, requires_grad=True)
    module(image)[0, :, row, column].sum().backward()
    assert image.grad is not None
    return image.grad[0].any(dim=0)


def box(pixels: Tensor) -> tuple[int, int, int, int]:
    """The square that the pixels fill: top, left, height, width."""
    rows, columns = (pixels.any(dim=dim).nonzero().flatten() for dim in (1, 0))
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
    assert pixels.sum() == height * width
    return top, left, height, width


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(WIDE, st.integers(1, 4), st.integers(0, 6), SMALL, SMALL, SMALL, st.booleans())
def test_a_stack_sees_the_pixels_of_its_convolution(
    kernel: int, stride: int, padding: int, groups: int, inputs: int, outputs: int, activated: bool
) -> None:
    conv = Conv(groups * outputs, kernel, stride, padding, groups)
    whole = network(conv, RELU, channels=groups * inputs, image=3 * kernel + 8 * stride)
    middle = shapes(whole)[-1][1] // 2
    top = middle * stride - padding
    want = (top, top + stride, kernel, kernel)
    stack = factorised(whole, activated=activated)
    assert kernels(stack) == [3] * ((kernel - 1) // 2)
    for arch in (whole, stack):
        assert box(seen(arch, middle, middle + 1)) == want
        assert cost(arch).layers[-1].receptive_field == kernel


@pytest.mark.parametrize(
    ("kernel", "stride", "window"), [(5, 2, 7), (7, 2, 11), (7, 3, 15), (7, 4, 15), (11, 4, 31)]
)
def test_an_early_stride_widens_the_window(kernel: int, stride: int, window: int) -> None:
    single = network(Conv(2, kernel, stride), image=90)
    early = factorised(single, stride="early")
    middle = shapes(early)[-1][1] // 2
    assert box(seen(early, middle, middle))[2:] == (window, window)
    assert cost(early).layers[-1].receptive_field == window


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("lenet5+kernel=3x3", 28),
        ("alexnet+kernel=3x3", 400),
        ("alexnet+kernel=3x3-early", 400),
        ("alexnet-grouped+pooling=2x2", 400),
        ("vgg11+pooling=overlapping", 500),
        ("vgg13+kernel=5x5", 400),
        ("vgg16+kernel=7x7", 500),
        ("vgg16+kernel=1x1", 400),
    ],
)
def test_receptive_fields_of_whole_networks(name: str, image: int) -> None:
    arch = variant(name)
    thin = [
        structs.replace(layer, channels=1, groups=1) if isinstance(layer, Conv) else layer
        for layer in arch.layers
        if isinstance(layer, Conv | Pool)
    ]
    spatial = network(*thin, image=image)
    last = cost(spatial).layers[-1]
    middle = last.output_shape[1] // 2
    here, beside = (box(seen(spatial, middle, column)) for column in (middle, middle + 1))
    assert here[2:] == (last.receptive_field, last.receptive_field)
    assert beside[1] - here[1] == last.jump


def output_shape(arch: Arch, image: int) -> tuple[int, ...] | None:
    try:
        return shapes(arch, image=image)[-1]
    except ImageTooSmallError:
        return None


@given(WIDE, st.integers(1, 9), st.integers(0, 8))
def test_a_stack_leaves_the_size_of_its_convolution(kernel: int, stride: int, padding: int) -> None:
    single = network(Conv(2, kernel, stride, padding), RELU)
    stacks = [factorised(single)] + ([factorised(single, stride="early")] if stride > 1 else [])
    for image in range(1, 50):
        assert {output_shape(stack, image) for stack in stacks} == {output_shape(single, image)}


@pytest.mark.parametrize(
    ("name", "early"),
    [("lenet5", "")]
    + [(name, early) for name in ("alexnet", "alexnet-grouped", "alexnet-96") for early in ("", "-early")],
)
def test_a_factorised_network_has_the_sizes_of_the_original(name: str, early: str) -> None:
    arch, other = MODELS[name], variant(f"{name}+kernel=3x3{early}")

    def sides(arch: Arch, image: int) -> list[tuple[int, ...]]:
        return [
            s for layer, s in zip(arch.layers, shapes(arch, image=image), strict=True) if type(layer) is Pool
        ]

    smallest = smallest_image(arch)
    assert smallest_image(other) == smallest
    for image in range(smallest, smallest + 70):
        assert sides(other, image) == sides(arch, image)
    if not early:
        fields = [
            [row.receptive_field for row in cost(each).layers if row.kind.endswith("pool")]
            for each in (arch, other)
        ]
        assert fields[0] == fields[1]


@pytest.mark.parametrize(("kernel", "stride"), [(5, 1), (7, 2), (11, 4)])
def test_a_stack_without_activations_is_one_convolution(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    given = Conv(4, kernel, stride, groups=2)
    module = build(factorised(network(given, channels=2), activated=False), channels=2).double()
    for part in module:
        assert isinstance(part, nn.Conv2d)
        assert part.bias is not None
        nn.init.zeros_(part.bias)
    # Its kernel is the response to single pixels, mirrored, with the stride taken out.
    pixels = torch.eye(2 * kernel**2, dtype=torch.double).view(-1, 2, kernel, kernel)
    response = module(pixels)  # an image of the kernel's size has one output
    weight = response.view(2, kernel, kernel, 4).permute(3, 0, 1, 2)
    images = torch.randn(2, 2, 40, 40, dtype=torch.double)
    torch.testing.assert_close(module(images), conv2d(images, weight, stride=stride))


# Networks rewritten, by hand.


def test_alexnet_factorised_by_hand() -> None:
    first, second = [Conv(64, 3, padding=1), RELU] * 2, [Conv(64, 3), RELU] * 2
    stack = (*first, *second, Conv(64, 3, stride=4), RELU)
    rest = MODELS["alexnet"].layers[2:]
    five = (Conv(192, 3, padding=1), RELU) * 2
    assert factorised(MODELS["alexnet"]).layers == (*stack, rest[0], *five, *rest[3:])
    early = factorised(MODELS["alexnet"], stride="early").layers
    assert early[:10] == (
        *(Conv(64, 3, stride=2, padding=2), RELU),
        *(Conv(64, 3, stride=2, padding=1), RELU),
        *(Conv(64, 3, padding=1), RELU) * 2,
        *(Conv(64, 3), RELU),
    )
    assert early[10:] == (rest[0], *five, *rest[3:])


def test_groups_and_normalisation_go_through_a_stack() -> None:
    grouped = factorised(MODELS["alexnet-grouped"])
    assert [conv.groups for conv in convs(grouped)] == [1] * 5 + [2, 2] + [1, 2, 2]
    assert [layer for layer in grouped.layers if isinstance(layer, ResponseNorm)] == [ResponseNorm()] * 2
    given = network(Conv(2, 5, padding=2), BN, RELU)
    three = Conv(2, 3, padding=1)
    assert factorised(given).layers == (three, BN, RELU, three, BN, RELU)
    assert factorised(given, activated=False).layers == (three, BN, three, BN, RELU)


def test_vgg13_with_5x5_is_the_shallow_network_of_the_paper() -> None:
    shallow = merged(MODELS["vgg13"], 5)
    assert convs(shallow) == [Conv(channels, 5, padding=2) for channels in (64, 128, 256, 512, 512)]
    weights = 25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512 * 512)
    linear = 25_088 * 4096 + 4096 * 4096 + 4096 * 1000 + 2 * 4096 + 1000
    assert cost(shallow).parameters == weights + 64 + 128 + 256 + 512 + 512 + linear == 134_503_528
    pools = [
        shape[1] for layer, shape in zip(shallow.layers, shapes(shallow), strict=True) if type(layer) is Pool
    ]
    assert pools == [112, 56, 28, 14, 7]


@pytest.mark.parametrize(
    ("name", "kernel", "want"),
    [
        ("vgg11", 5, [3, 3, 5, 5, 5]),
        ("vgg13-bn", 5, [5, 5, 5, 5, 5]),
        ("vgg16", 5, [5, 5, 5, 3, 5, 3, 5, 3]),
        ("vgg16", 7, [5, 5, 7, 7, 7]),
        ("vgg19", 7, [5, 5, 7, 3, 7, 3, 7, 3]),
        ("vgg19", 9, [5, 5, 9, 9, 9]),
        ("vgg16-c", 5, [5, 5, 5, 1, 5, 1, 5, 1]),
        ("alexnet", 7, [11, 5, 7]),
        ("alexnet-grouped", 5, [11, 5, 3, 5]),
    ],
)
def test_kernels_of_merged_networks(name: str, kernel: int, want: list[int]) -> None:
    assert kernels(merged(MODELS[name], kernel)) == want


@pytest.mark.parametrize(("name", "kernel"), [("vgg13", 5), ("vgg13-bn", 5), ("vgg16", 7), ("vgg19-bn", 9)])
def test_factorising_undoes_merging(name: str, kernel: int) -> None:
    assert factorised(merged(MODELS[name], kernel)) == MODELS[name]


def test_configuration_c_is_vgg16_with_1x1() -> None:
    assert pointwise(MODELS["vgg16"]).layers == MODELS["vgg16-c"].layers
    assert kernels(pointwise(MODELS["vgg19"])) == [3] * 4 + [3, 3, 3, 1] * 3


def test_what_is_not_a_run_of_stacked_convolutions() -> None:
    three = Conv(4, 3, padding=1)
    for between in (ResponseNorm(), Pool("max", 2, 2), Conv(4, 3), Conv(4, 3, 2, 1), Conv(4, 3, 1, 1, 2)):
        with pytest.raises(UserError, match="no 2 stacked"):
            merged(network(three, RELU, between, three, RELU), 5)


def test_networks_with_nothing_to_change() -> None:
    with pytest.raises(UserError, match="vgg16 has no convolution wider than 3x3"):
        factorised(MODELS["vgg16"])
    with pytest.raises(UserError, match="lenet5 has no stride"):
        factorised(MODELS["lenet5"], stride="early")
    with pytest.raises(UserError, match="vgg13 has no 3 stacked"):
        merged(MODELS["vgg13"], 7)
    with pytest.raises(UserError, match="vgg13 has no 3 stacked"):
        pointwise(MODELS["vgg13"])
