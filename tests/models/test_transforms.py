"""Networks with another activation, norm, pooling, dropout or depth: what changes, and what does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import get_args

import pytest
from msgspec import structs

from models.arch import (
    Activation,
    Arch,
    BatchNorm,
    Conv,
    Dropout,
    Layer,
    Linear,
    Pool,
    ResponseNorm,
    layer_names,
)
from models.catalogue import MODELS
from models.closed_form import shapes
from models.errors import UserError
from models.kernel_stacks import factorised, merged, pointwise
from models.transforms import (
    COLUMN_OF_DEPTH,
    Depth,
    Kind,
    Normalisation,
    Pooling,
    with_activation,
    with_depth,
    with_dropout,
    with_normalisation,
    with_pooling,
)

RELU = Activation("relu")
NETWORKS = pytest.mark.parametrize("name", MODELS)


def others(arch: Arch, *kinds: type[Layer]) -> list[Layer]:
    return [layer for layer in arch.layers if not isinstance(layer, kinds)]


def sides(arch: Arch, image: int) -> list[int]:
    outputs = shapes(arch, image=image)
    return [out[1] for layer, out in zip(arch.layers, outputs, strict=True) if isinstance(layer, Pool)]


@NETWORKS
@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_activation_and_nothing_else_changes(name: str, kind: Kind) -> None:
    changed = with_activation(MODELS[name], kind)
    assert len(changed.layers) == len(MODELS[name].layers)
    for before, after in zip(MODELS[name].layers, changed.layers, strict=True):
        assert after == (Activation(kind) if isinstance(before, Activation) else before)
    assert structs.replace(changed, layers=()) == structs.replace(MODELS[name], layers=())


@pytest.mark.parametrize(
    ("name", "norm", "same"),
    [
        ("vgg11", "bn", "vgg11-bn"),
        ("vgg19-bn", "bn", "vgg19-bn"),
        ("vgg16-bn", "none", "vgg16"),
        ("vgg11", "lrn", "vgg11-lrn"),
        ("vgg11-bn", "lrn", "vgg11-lrn"),
        ("vgg11-lrn", "none", "vgg11"),
        ("alexnet-grouped", "lrn", "alexnet-grouped"),
    ],
)
def test_normalised_networks_are_those_of_the_papers(name: str, norm: Normalisation, same: str) -> None:
    assert with_normalisation(MODELS[name], norm).layers == MODELS[same].layers


@NETWORKS
def test_where_normalisations_stand(name: str) -> None:
    plain = others(MODELS[name], BatchNorm, ResponseNorm)
    none, lrn, bn = (with_normalisation(MODELS[name], norm) for norm in get_args(Normalisation))
    assert list(none.layers) == plain
    assert others(lrn, ResponseNorm) == others(bn, BatchNorm) == plain
    assert [isinstance(layer, BatchNorm) for layer in bn.layers[1:]] == [
        isinstance(layer, Conv) for layer in bn.layers[:-1]
    ]
    before_pools = [type(lrn.layers[i - 1]) for i, layer in enumerate(lrn.layers) if isinstance(layer, Pool)]
    ends = 1 if name.startswith("vgg") else 2
    assert before_pools == [ResponseNorm] * ends + [Activation] * (len(before_pools) - ends)


@NETWORKS
@pytest.mark.parametrize(
    ("pooling", "windows"),
    [
        ("overlapping", {Pool("max", 3, 2), Pool("max", 3, 2, 1)}),
        ("2x2", {Pool("max", 2, 2)}),
        ("average", {Pool("avg", 2, 2)}),
    ],
)
def test_every_pooling_and_nothing_else_changes(name: str, pooling: Pooling, windows: set[Pool]) -> None:
    changed = with_pooling(MODELS[name], pooling)
    assert others(changed, Pool) == others(MODELS[name], Pool)
    assert {layer for layer in changed.layers if isinstance(layer, Pool)} <= windows
    kinds = [[isinstance(layer, Pool) for layer in arch.layers] for arch in (changed, MODELS[name])]
    assert kinds[0] == kinds[1]


def test_poolings_halve_as_the_network_does() -> None:
    for pooling in get_args(Pooling):
        assert sides(with_pooling(MODELS["vgg11"], pooling), 224) == [112, 56, 28, 14, 7]
        assert sides(with_pooling(MODELS["lenet5"], pooling), 28) == [14, 5]
        assert sides(with_pooling(MODELS["alexnet"], pooling), 224) == [27, 13, 6]
        assert sides(with_pooling(MODELS["alexnet-grouped"], pooling), 227) == [27, 13, 6]
    assert sides(with_pooling(MODELS["alexnet-96"], "overlapping"), 224) == [26, 12, 5]
    assert sides(with_pooling(MODELS["alexnet-96"], "2x2"), 224) == [27, 13, 6]
    assert sides(with_pooling(MODELS["vgg11"], "overlapping"), 33) == [17, 9, 5, 3, 2]  # odd: rounded up


@pytest.mark.parametrize("name", ["alexnet", "alexnet-96", "vgg16", "vgg-small"])
def test_dropout_changes_its_probability_or_goes(name: str) -> None:
    less = with_dropout(MODELS[name], 0.2)
    assert [layer.p for layer in less.layers if isinstance(layer, Dropout)] == [0.2, 0.2]
    assert layer_names(less) == layer_names(MODELS[name])
    assert others(less, Dropout) == others(MODELS[name], Dropout)
    assert list(with_dropout(MODELS[name], 0).layers) == others(MODELS[name], Dropout)


def test_a_network_without_dropout_gets_it_after_its_hidden_layers() -> None:
    lenet5 = MODELS["lenet5"]
    assert with_dropout(lenet5, 0) == lenet5
    sigmoid = Activation("sigmoid")
    assert with_dropout(lenet5, 0.3).layers[-7:] == (
        *(Linear(120), sigmoid, Dropout(0.3)),
        *(Linear(84), sigmoid, Dropout(0.3)),
        Linear(),
    )
    # where the paper has it
    assert with_dropout(with_dropout(MODELS["vgg11"], 0), 0.5) == MODELS["vgg11"]


VGGS: dict[Depth, str] = {11: "vgg11", 13: "vgg13", 16: "vgg16", 19: "vgg19"}


@pytest.mark.parametrize("suffix", ["", "-bn"])
@pytest.mark.parametrize("depth", VGGS)
@pytest.mark.parametrize("start", VGGS)
def test_a_vgg_of_another_depth_is_that_vgg(start: Depth, depth: Depth, suffix: str) -> None:
    changed = with_depth(MODELS[VGGS[start] + suffix], depth)
    assert changed.layers == MODELS[VGGS[depth] + suffix].layers


def test_a_deeper_small_vgg_keeps_its_channels() -> None:
    deep = with_depth(MODELS["vgg-small"], 16)
    channels = [layer.channels for layer in deep.layers if isinstance(layer, Conv)]
    assert channels == [16, 16, 32, 32, 64, 64, 64, 128, 128, 128, 128, 128, 128]
    assert with_depth(deep, 11) == MODELS["vgg-small"]
    lrn = with_normalisation(MODELS["vgg-small"], "lrn")
    assert with_depth(lrn, 13).layers[:6] == (
        *(Conv(16, 3, padding=1), RELU) * 2,
        ResponseNorm(),
        Pool("max", 2, 2),
    )


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "alexnet-grouped", "vgg16-c"])
def test_only_vggs_have_a_depth(name: str) -> None:
    with pytest.raises(UserError, match=f"3x3 convolutions, and {name} is none"):
        with_depth(MODELS[name], 13)


Change = Callable[[Arch], Arch]
RESPONSE_NORM = partial(with_normalisation, norm="lrn")
CHANGES: dict[str, list[Change]] = {
    "depth": [partial(with_depth, depth=depth) for depth in COLUMN_OF_DEPTH],
    "norm": [RESPONSE_NORM, *(partial(with_normalisation, norm=norm) for norm in ("none", "bn"))],
    "kernel": [
        factorised,
        partial(factorised, activated=False),
        partial(factorised, stride="early"),
        partial(merged, kernel=5),
        pointwise,
    ],
    "pooling": [partial(with_pooling, pooling=pooling) for pooling in get_args(Pooling)],
    "activation": [partial(with_activation, kind=kind) for kind in get_args(Kind)],
    "dropout": [partial(with_dropout, p=p) for p in (0, 0.3)],
}


def applied(arch: Arch, *changes: Change) -> Arch | None:
    try:
        for change in changes:
            arch = change(arch)
    except UserError:
        return None
    return arch


@NETWORKS
def test_a_second_time_changes_nothing(name: str) -> None:
    for axis in CHANGES.keys() - {"kernel"}:
        for change in CHANGES[axis]:
            assert applied(MODELS[name], change, change) == applied(MODELS[name], change), change


@NETWORKS
def test_the_order_matters_to_depth_and_response_norm_with_kernels_alone(name: str) -> None:
    for one, other in itertools.combinations(CHANGES, 2):
        if (one, other) == ("depth", "kernel"):
            continue  # a network of other kernels has no depth to choose
        for first, second in itertools.product(CHANGES[one], CHANGES[other]):
            if first is RESPONSE_NORM and other == "kernel":
                continue  # it asks for kernels wider than 3x3, and ends a stack
            there = applied(MODELS[name], first, second)
            assert there == applied(MODELS[name], second, first), (first, second)
