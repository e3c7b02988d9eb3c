"""Modules against torchvision's, and their first weights against what the literature says of them."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from torch import nn

from models.arch import INITS
from models.build import build, from_torchvision
from models.catalogue import MODELS
from models.closed_form import ImageTooSmallError

SHARED = {"alexnet": "alexnet"} | {name: name.replace("-", "_") for name in MODELS if name[3:5].isdigit()}
THEIRS = {ours: theirs for ours, theirs in SHARED.items() if theirs in torchvision.models.list_models()}


def test_torchvision_has_nine_of_the_networks() -> None:
    assert len(THEIRS) == 9


@pytest.mark.parametrize("name", THEIRS)
def test_torchvisions_state_dict_has_a_place_in_ours(name: str) -> None:
    with torch.device("meta"):
        theirs = torchvision.models.get_model(THEIRS[name], weights=None).state_dict()
    ours = build(MODELS[name], device="meta").state_dict()
    renamed = from_torchvision(MODELS[name], theirs)
    assert {key: value.shape for key, value in renamed.items()} == {
        key: value.shape for key, value in ours.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "image"), [("alexnet", 64), ("alexnet", 224), ("vgg16", 224), ("vgg11-bn", 224)]
)
def test_the_same_weights_give_torchvisions_outputs(name: str, image: int) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(THEIRS[name], weights=None, num_classes=10)
    ours = build(MODELS[name], image=image, classes=10, device="meta")
    ours.load_state_dict(from_torchvision(MODELS[name], theirs.state_dict()), assign=True)
    images = torch.randn(2, 3, image, image)
    with torch.no_grad():
        want, got = theirs.eval()(images), ours.eval()(images)
    assert want.std() > 0
    torch.testing.assert_close(got, want, rtol=0, atol=0)


def test_dropout_stands_where_torchvision_has_it() -> None:
    for name in ("alexnet", "vgg11"):
        with torch.device("meta"):
            theirs = list(
                torchvision.models.get_model(THEIRS[name], weights=None)
                .get_submodule("classifier")
                .children()
            )
        ours = list(build(MODELS[name], device="meta"))[-len(theirs) :]
        assert [type(part) for part in ours] == [type(part) for part in theirs]


@pytest.mark.parametrize("init", INITS)
def test_the_same_seed_gives_the_same_weights(init: str) -> None:
    first, second, other = (
        (torch.manual_seed(seed), build(MODELS["lenet5"], init=init).state_dict())[1]  # type: ignore[arg-type]
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_xavier_is_uniform_within_its_bound() -> None:
    torch.manual_seed(0)
    module = build(MODELS["vgg11"], image=32, classes=10, init="xavier")
    conv, linear = module.get_submodule("conv5"), module.get_submodule("linear2")
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(linear, nn.Linear)
    for weight, bound in (
        (conv.weight, math.sqrt(6 / (9 * (256 + 512)))),
        (linear.weight, math.sqrt(6 / (4096 + 4096))),
    ):
        assert weight.abs().max().item() <= bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert 0 < linear.bias.abs().max().item() <= 1 / 64


def test_kaiming_is_torchvisions_for_vgg() -> None:
    torch.manual_seed(0)
    module = build(MODELS["vgg11-bn"], image=32, classes=10, init="kaiming")
    for part in module:
        if isinstance(part, nn.Conv2d):
            assert part.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * part.out_channels)), rel=0.05)
        if isinstance(part, nn.Linear):
            assert part.weight.std().item() == pytest.approx(0.01, rel=0.05)
        if isinstance(part, nn.Conv2d | nn.Linear):
            assert part.bias is not None
            assert not part.bias.any()
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            assert [each.unique().tolist() for each in (part.weight, part.bias)] == [[1], [0]]
            assert [each.unique().tolist() for each in (part.running_mean, part.running_var)] == [[0], [1]]


def test_he_keeps_the_signal_of_relu_by_the_fan_in() -> None:
    torch.manual_seed(0)
    for part in build(MODELS["vgg11"], image=32, classes=10, init="he"):
        if isinstance(part, nn.Conv2d | nn.Linear):
            fan_in = part.weight[0].numel()
            assert part.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
            assert part.bias is not None
            assert not part.bias.any()


@pytest.mark.slow
def test_normal_is_the_same_everywhere() -> None:
    torch.manual_seed(0)
    for part in build(MODELS["alexnet"], image=64, classes=10, init="normal"):
        if isinstance(part, nn.Conv2d | nn.Linear):
            assert part.weight.std().item() == pytest.approx(0.01, rel=0.03)
            assert abs(part.weight.mean().item()) < 0.0003
            assert part.bias is not None
            assert not part.bias.any()


def test_response_normalisation_is_the_papers_formula() -> None:
    module = build(MODELS["vgg11-lrn"], device="meta").get_submodule("lrn1")
    given = 30 * torch.rand(1, 9, 2, 2, dtype=torch.double)
    want = torch.stack(
        [
            given[:, i] / (2 + 1e-4 * given[:, max(0, i - 2) : i + 3].square().sum(dim=1)) ** 0.75
            for i in range(9)
        ],
        dim=1,
    )
    torch.testing.assert_close(module(given), want)


@pytest.mark.slow
def test_a_forward_and_backward_pass_of_every_network() -> None:
    for name, arch in MODELS.items():
        module = build(arch, channels=2, classes=7, device="meta")
        logits = module(torch.empty(3, 2, arch.image, arch.image, device="meta"))
        assert logits.shape == (3, 7), name
        logits.sum().backward()
        assert all(parameter.grad is not None for parameter in module.parameters()), name


def test_an_image_too_small_is_refused() -> None:
    with pytest.raises(ImageTooSmallError, match="32x32"):
        build(MODELS["vgg19"], image=31)


@pytest.mark.cuda
def test_weights_are_made_on_the_gpu() -> None:
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    module = build(MODELS["vgg11"], device="cuda")
    assert {parameter.device.type for parameter in module.parameters()} == {"cuda"}
    sizes = [4 * parameter.numel() for parameter in module.parameters()]
    assert torch.cuda.max_memory_allocated() - before < 1.2 * sum(sizes)
