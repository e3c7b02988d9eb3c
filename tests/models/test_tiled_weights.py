"""Weights that repeat a million draws: Xavier's values, and no row like another."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bench.child.case_network import load_network
from bench.schema.case import Case
from models.build import build
from models.catalogue import MODELS
from models.load import load
from models.tiled_weights import DRAWS, TiledWeights


def test_the_number_of_draws_is_a_prime() -> None:
    assert all(DRAWS % divisor for divisor in range(2, math.isqrt(DRAWS) + 1))


def test_values_are_uniform_within_the_bound_of_xavier() -> None:
    torch.manual_seed(0)
    module = build(MODELS["vgg11"], image=32, classes=10, init="tiled")
    for part in (module.get_submodule("conv5"), module.get_submodule("linear2")):
        assert isinstance(part, nn.Conv2d | nn.Linear)
        expected = torch.empty_like(part.weight)
        nn.init.xavier_uniform_(expected)
        bound, weight = expected.abs().max().item(), part.weight.detach()
        assert weight.abs().max().item() == pytest.approx(bound, rel=1e-4)
        assert weight.mean().item() == pytest.approx(0, abs=0.003 * bound)
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.003)
        assert part.bias is not None
        assert 0 < part.bias.abs().max().item() <= 1 / math.sqrt(weight[0].numel())


def test_a_matrix_larger_than_the_draws_has_no_two_equal_rows_and_goes_on_in_the_next() -> None:
    torch.manual_seed(0)
    tile = TiledWeights()
    large, next_one = torch.empty(600, 4096), torch.empty(8, 8)
    tile.xavier_uniform_(large)
    tile.xavier_uniform_(next_one)
    assert len(large.unique(dim=0)) == 600
    flat = large.flatten()
    assert torch.equal(flat[DRAWS:], flat[: len(flat) - DRAWS])
    scale = math.sqrt(6 / (600 + 4096)) / math.sqrt(6 / 16)
    following = flat[len(flat) - DRAWS : len(flat) - DRAWS + 64]
    torch.testing.assert_close(next_one.flatten() * scale, following)


def test_outputs_are_of_the_size_that_drawn_weights_give() -> None:
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    sizes = {}
    for init in ("xavier", "tiled"):
        torch.manual_seed(0)
        module = build(MODELS["vgg11"], image=32, classes=10, init=init)
        with torch.inference_mode():
            sizes[init] = module.eval()(images).abs().mean().item()
    assert 0.3 < sizes["tiled"] / sizes["xavier"] < 3


@pytest.mark.parametrize(("seed", "is_same"), [(3, True), (4, False)])
def test_a_timed_network_has_the_weights_of_its_seed(seed: int, is_same: bool) -> None:
    case = Case(model="lenet5", channels=1, image=28)
    found = []
    for each in (3, seed):
        torch.manual_seed(each)
        found.append(load_network(case, "cpu").module.state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) == is_same for key in found[0])


def test_a_network_that_is_trained_has_drawn_every_weight() -> None:
    """`load` without an initialisation is what a training run and convbench's own users call."""
    torch.manual_seed(0)
    weights = load("alexnet", channels=3, image=64, classes=10).module.state_dict().values()
    largest = max(weights, key=torch.Tensor.numel).flatten()
    assert not torch.equal(largest[DRAWS:], largest[: len(largest) - DRAWS])


def test_a_network_of_fewer_weights_draws_each_of_them() -> None:
    """The draws would take sixty times the memory of its own weights, and a heap keeps what it was given."""
    found = []
    for init in ("xavier", "tiled"):
        torch.manual_seed(0)
        found.append(build(MODELS["lenet5"], image=28, classes=10, init=init).state_dict())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
