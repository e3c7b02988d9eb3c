"""Names of ablated networks: what they stand for, that all of them run, and what is said of bad ones."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from models.arch import Arch
from models.build import build
from models.catalogue import MODELS, Input, Ours, arch_of, defaults, parse, why_impossible
from models.closed_form import cost, smallest_image
from models.errors import UserError
from models.kernel_stacks import merged
from models.load import load
from models.transforms import COLUMN_OF_DEPTH, with_activation, with_dropout, with_normalisation
from models.variants import TRANSFORMATIONS, split

SINGLE = [f"{key}={value}" for key, change in TRANSFORMATIONS.items() for value in change.values]


def test_a_name_is_its_transformations_in_their_order() -> None:
    name = "vgg13+norm=bn+kernel=5x5+activation=tanh+dropout=0"
    arch = arch_of(name)
    assert arch is not None
    want = with_normalisation(MODELS["vgg13"], "bn")
    want = with_dropout(with_activation(merged(want, 5), "tanh"), 0)
    assert arch.layers == want.layers
    assert (arch.name, arch.year, arch.source) == (name, 2014, MODELS["vgg13"].source)
    assert arch.summary == "configuration B; norm=bn, kernel=5x5, activation=tanh, dropout=0"
    assert parse(name) == Ours(arch)


def test_a_value_that_a_network_has_already_is_accepted() -> None:
    for words in ("depth=11", "norm=none", "pooling=2x2", "activation=relu", "dropout=0.5"):
        arch = arch_of(f"vgg-small+{words}")
        assert arch is not None
        assert arch.layers == MODELS["vgg-small"].layers


def test_a_name_is_taken_apart() -> None:
    assert split("vgg13+norm=bn+kernel=5x5") == ("vgg13", {"norm": "bn", "kernel": "5x5"})
    assert split("vgg13") == ("vgg13", {})


def test_a_variant_has_the_input_of_its_network() -> None:
    assert defaults("lenet5+activation=tanh") == Input(1, 28, 10)
    assert why_impossible("vgg11+pooling=average", 3, 32, 10) is None
    assert "vgg11+pooling=average cannot take images of 16x16" in str(
        why_impossible("vgg11+pooling=average", 3, 16, 10)
    )
    # rounded up, nothing ever vanishes
    assert why_impossible("vgg11+pooling=overlapping", 3, 16, 10) is None


def possible(name: str) -> Arch | None:
    try:
        return arch_of(name)
    except UserError:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_variant_runs_and_costs_what_torch_makes_of_it(name: str) -> None:
    archs = [arch for arch in (possible(f"{name}+{words}") for words in SINGLE) if arch]
    assert len(archs) >= len(SINGLE) - len(TRANSFORMATIONS["kernel"].values) - len(COLUMN_OF_DEPTH)
    for arch in archs:
        image = smallest_image(arch) + 1
        module = build(arch, channels=2, image=image, classes=7, device="meta")
        logits = module(torch.empty(3, 2, image, image, device="meta"))
        assert logits.shape == (3, 7), arch.name
        logits.sum().backward()
        sizes = [parameter.numel() for parameter in module.parameters() if parameter.grad is not None]
        assert cost(arch, channels=2, image=image, classes=7).parameters == sum(sizes), arch.name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("lenet5+norm=lrn+kernel=3x3", 28),
        ("lenet5+kernel=3x3-linear+activation=relu", 28),
        ("lenet5+norm=bn+pooling=overlapping+activation=tanh+dropout=0.3", 28),
        ("lenet5+pooling=2x2+activation=sigmoid", 28),
        ("alexnet-96+kernel=3x3-early", 65),
        ("vgg-small+norm=bn+kernel=5x5+pooling=average", 32),
        ("vgg-small+depth=16+kernel=7x7", 32),
        ("vgg-small+depth=16+norm=lrn+kernel=1x1+activation=tanh", 32),
    ],
)
def test_a_variant_takes_a_step(name: str, image: int) -> None:
    module = load(name, channels=1, image=image, classes=10).module
    cross_entropy(module(torch.randn(4, 1, image, image)), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vgg13+kernal=5x5", "unknown transformation 'kernal'. Did you mean 'kernel'.*pooling"),
        ("vgg13+kernel=5x4", "unknown value of kernel '5x4'. Accepted: 3x3.*1x1"),
        ("vgg13+dropout=0.50", "unknown value of dropout '0.50'. Did you mean '0.5'"),
        ("vgg13+dropout=", "unknown value of dropout ''"),
        ("vgg31+kernel=5x5", "unknown model 'vgg31'. Did you mean 'vgg1"),
        ("vgg13+kernel", "cannot read 'kernel' in model 'vgg13[+]kernel'. Write [+]TRANSFORMATION=VALUE"),
        ("vgg13+", "'' in model"),
        ("+kernel=5x5", "unknown model ''"),
        ("vgg13+norm=bn+norm=lrn", "gives norm twice"),
        ("vgg13+kernel=5x5+norm=bn", "the wrong order. Write vgg13[+]norm=bn[+]kernel=5x5"),
        ("vgg13+kernel=3x3", "vgg13 has no convolution wider than 3x3"),
        ("vgg13+kernel=7x7", "vgg13 has no 3 stacked 3x3"),
        ("lenet5+kernel=3x3-early", "lenet5 has no stride"),
        ("alexnet+depth=13", "depth needs a network of five stages"),
        ("torchvision:vgg16+norm=bn", "only built-in networks can"),
    ],
)
def test_bad_names_are_told_in_a_sentence(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as told:
        parse(name)
    assert "\n" not in str(told.value)
