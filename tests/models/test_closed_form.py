"""The closed form against printed figures, against torch's own modules, and against gradients."""

from __future__ import annotations

import pytest
import torch
from msgspec import structs
from torch import nn

from models.arch import Activation, AdaptivePool, Arch, Conv, Flatten, Layer, Pool, ResponseNorm
from models.build import build
from models.catalogue import MODELS
from models.closed_form import ImageTooSmallError, cost, shapes, smallest_image
from models.published import PublishedFigure, published_figures, top5_errors

PARAMETERS = {
    "lenet5": 61_706,
    "alexnet": 61_100_840,
    "alexnet-grouped": 60_965_224,
    "alexnet-towers": 60_965_224,
    "alexnet-96": 46_764_746,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11-bn": 132_868_840,
    "vgg13-bn": 133_053_736,
    "vgg16-bn": 138_365_992,
    "vgg19-bn": 143_678_248,
    "vgg11-lrn": 132_863_336,
    "vgg16-c": 133_638_952,
    "vgg-small": 43_093_322,
}


def test_every_network_has_a_known_number_of_parameters() -> None:
    assert {name: cost(arch).parameters for name, arch in MODELS.items()} == PARAMETERS


def test_vgg11_for_one_channel_and_ten_classes() -> None:
    assert cost(MODELS["vgg11"], channels=1, classes=10).parameters == 128_806_154


SIZES = [fact for fact in published_figures() if "top" not in fact.quantity]


@pytest.mark.parametrize("fact", SIZES, ids=lambda fact: f"{fact.model}-{fact.quantity}")
def test_published_sizes(fact: PublishedFigure) -> None:
    found = cost(MODELS[fact.model])
    computed = {
        "parameters": found.parameters,
        "parameters_table2": round(found.parameters, -6),
        "forward_macs": round(found.macs, -6),
    }
    assert computed[fact.quantity] == fact.value


def test_published_errors_come_with_their_sources() -> None:
    assert [round(fact.value, 1) for fact in top5_errors("vgg16")] == [7.3, 9.6]
    assert [fact.value for fact in top5_errors("alexnet")] == [20.934]
    assert all(fact.source for fact in top5_errors("vgg16"))
    assert top5_errors("lenet5") == ()


def test_where_alexnets_parameters_are() -> None:
    found = cost(MODELS["alexnet-grouped"])
    assert round(found.parameters_conv / 1e6, 1) == 2.3
    assert round(found.parameters_linear / 1e6, 1) == 58.6
    assert found.parameters_conv + found.parameters_linear == found.parameters


def spatial_shapes(arch: Arch, *kinds: type[Layer]) -> list[tuple[int, ...]]:
    return [shape for layer, shape in zip(arch.layers, shapes(arch), strict=True) if isinstance(layer, kinds)]


def test_shapes_of_the_textbooks_alexnet() -> None:
    sides = [(channels, side) for channels, side, _ in spatial_shapes(MODELS["alexnet-96"], Conv, Pool)]
    assert sides == [(96, 54), (96, 26), (256, 26), (256, 12), (384, 12), (384, 12), (256, 12), (256, 5)]
    assert spatial_shapes(MODELS["alexnet-96"], Flatten) == [(6400,)]


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("vgg") and name != "vgg-small"])
def test_vgg_halves_the_image_five_times(name: str) -> None:
    arch = MODELS[name]
    assert [shape[1] for shape in spatial_shapes(arch, Pool)] == [112, 56, 28, 14, 7]
    assert spatial_shapes(arch, Flatten) == [(25_088,)]
    assert next(row for row in cost(arch).layers if row.kind == "linear").parameters == 25_089 * 4096


def test_convolutions_of_the_vgg_family() -> None:
    columns = {"vgg11": 8, "vgg13": 10, "vgg16": 13, "vgg16-c": 13, "vgg19": 16}
    for name, convolutions in columns.items():
        assert sum(row.kind == "conv" for row in cost(MODELS[name]).layers) == convolutions
    ones = [row.window for row in cost(MODELS["vgg16-c"]).layers if row.kind == "conv"]
    assert ones == ["3x3"] * 6 + ["1x1"] + ["3x3"] * 2 + ["1x1"] + ["3x3"] * 2 + ["1x1"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "larger_by", "classes", "batch"), [(3, 0, 1000, 1), (5, 37, 7, 3)])
def test_every_layer_is_what_torch_makes_of_it(
    name: str, channels: int, larger_by: int, classes: int, batch: int
) -> None:
    arch = MODELS[name]
    image = arch.image + larger_by
    module = build(arch, channels=channels, image=image, classes=classes, device="meta")
    seen = []
    for part in module:
        part.register_forward_hook(
            lambda part, _, out: seen.append(
                (tuple(out.shape), sum(each.numel() for each in part.parameters()))
            )
        )
    module(torch.empty(batch, channels, image, image, device="meta"))
    found = cost(arch, channels=channels, image=image, classes=classes, batch=batch)
    assert [((batch, *row.output_shape), row.parameters) for row in found.layers] == seen
    assert [row.name for row in found.layers] == [name for name, _ in module.named_children()]
    assert [row.activations for row in found.layers] == [torch.Size(shape).numel() for shape, _ in seen]


def test_totals_are_for_the_whole_batch() -> None:
    one, eight = cost(MODELS["vgg11"]), cost(MODELS["vgg11"], batch=8)
    assert (eight.macs, eight.flops_backward) == (8 * one.macs, 8 * one.flops_backward)
    assert eight.parameters == one.parameters
    assert eight.activations == 8 * one.activations


def test_bytes_are_parameters_once_and_outputs_for_the_batch() -> None:
    first = cost(MODELS["lenet5"], batch=10).layers[0]
    assert first.bytes == 4 * (156 + 10 * 6 * 28 * 28)


def test_the_first_layer_needs_no_input_gradient() -> None:
    rows = [row for row in cost(MODELS["lenet5"]).layers if row.macs]
    assert [row.flops_backward / row.flops_forward for row in rows] == [1, 2, 2, 2, 2]


@pytest.mark.parametrize("name", MODELS)
def test_the_smallest_image_is_the_one_at_which_torch_begins(name: str) -> None:
    arch = MODELS[name]
    smallest = smallest_image(arch)
    module = build(arch, device="meta")
    flatten = next(i for i, part in enumerate(module) if isinstance(part, nn.Flatten))
    module[:flatten](torch.empty(2, arch.channels, smallest, smallest, device="meta"))
    with pytest.raises(RuntimeError):
        module[:flatten](torch.empty(2, arch.channels, smallest - 1, smallest - 1, device="meta"))
    with pytest.raises(ImageTooSmallError):
        shapes(arch, image=smallest - 1)


def test_an_image_too_small_is_told_in_a_sentence() -> None:
    words = "vgg11 cannot take images of 16x16.*maxpool5.*32x32"
    with pytest.raises(ImageTooSmallError, match=words):
        cost(MODELS["vgg11"], image=16)


def thin(arch: Arch) -> Arch:
    """The same windows with one channel, nothing non-linear and no maximum, as far as there are windows."""
    layers: list[Layer] = []
    for layer in arch.layers:
        match layer:
            case Conv():
                layers.append(structs.replace(layer, channels=1, groups=1))
            case Pool():
                layers.append(structs.replace(layer, kind="avg"))
            case Activation() | ResponseNorm():
                pass
            case AdaptivePool() | Flatten():
                break
    return structs.replace(arch, layers=tuple(layers), channels=1, image=800)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5", "alexnet", "alexnet-96", "vgg11", "vgg16-c", "vgg19"])
def test_receptive_fields_and_jumps_are_those_of_the_gradient(name: str) -> None:
    arch = thin(MODELS[name])
    module = build(arch).double()
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    last = cost(arch).layers[-1]
    middle = last.output_shape[1] // 2

    def seen_by(column: int) -> list[int]:
        image = torch.zeros(1, 1, arch.image, arch.image, dtype=torch.double, requires_grad=True)
        module(image)[0, 0, middle, column].backward()
        assert image.grad is not None
        return [int(each) for each in image.grad[0, 0].any(dim=0).nonzero()]

    here, beside = seen_by(middle), seen_by(middle + 1)
    assert len(here) == here[-1] - here[0] + 1 == last.receptive_field
    assert beside[0] - here[0] == last.jump


def test_adaptive_pooling_sees_the_widest_window() -> None:
    # 8 -> 3: pixels 0-2, 2-5, 5-7. 9 -> 3: three each. 5 -> 6: one or two.
    arch = structs.replace(MODELS["lenet5"], layers=(AdaptivePool(3),))
    assert cost(arch, image=8).layers[0].receptive_field == 4
    assert cost(arch, image=9).layers[0].receptive_field == 3
    assert cost(structs.replace(arch, layers=(AdaptivePool(6),)), image=5).layers[0].receptive_field == 2
