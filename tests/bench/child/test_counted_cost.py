"""The cost of networks that are not ours: rows that add up, whatever the style, against answers by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional, grad
from torch.nn.utils import parametrizations

from bench.child.counted_cost import ITSELF, counted_cost
from bench.probes.flops import FlopCounts, compare, count_flops, of_work, uncompared
from bench.probes.meta_modules import copy_with
from bench.probes.step_work import call_work, step_work
from bench.schema.counts import CountRequest
from models.build import build
from models.catalogue import MODELS
from models.closed_form import Cost, cost, smallest_image
from models.network import Arguments

CONV, FC = 16 * 16 * 8 * 27, 80
SMALL = (314, CONV + FC, 2 * CONV + 4 * FC)
"""Parameters, multiply-accumulates forward and FLOPs backward of the small network for an image of 16x16."""


def images(batch: int = 1) -> Arguments:
    return Arguments((torch.zeros(batch, 3, 16, 16),))


def counted(module: nn.Module, arguments: Arguments | None = None) -> Cost:
    request = CountRequest(model="net.py:net", channels=3, image=16, classes=10)
    return counted_cost(module, call_work(module, arguments or images()), request)


def figures(found: Cost) -> tuple[int, int, int]:
    """Parameters, multiply-accumulates forward, FLOPs backward; those of the rows are the same."""
    rows = found.layers
    assert sum(row.parameters for row in rows) == found.parameters
    assert sum(row.macs for row in rows) == found.macs
    assert sum(row.flops_forward for row in rows) == found.flops_forward == 2 * found.macs
    assert sum(row.flops_backward for row in rows) == found.flops_backward
    parts = (found.macs_conv, found.macs_linear, found.macs_attention, found.macs_other)
    assert sum(parts) == found.macs
    return found.parameters, found.macs, found.flops_backward


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.features(x))

    def features(self, x: Tensor) -> Any:
        return self.conv(x).mean((2, 3))


class Parametrized(Small):
    """A weight that is made anew of two parameters."""

    def __init__(self) -> None:
        super().__init__()
        weight_norm(self.conv)


class KeepsItself(Small):
    """A function that goes on meaning the module itself where a copy is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.run: Any = lambda x: self.fc(self.features(x))

    def forward(self, x: Tensor) -> Any:
        return self.run(x)


class LooksAtValues(Small):
    def forward(self, x: Tensor) -> Any:
        return self.fc(self.features(x) + x.detach().numpy().mean())


class FrozenBackbone(Small):
    def __init__(self) -> None:
        super().__init__()
        self.conv.requires_grad_(False)


class Frozen(Small):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


class ModeOfItsOwn(Small):
    """Forgets to return itself."""

    def train(self, mode: bool = True) -> Any:
        super().train(mode)


class Tied(Small):
    """Two linear layers of one weight of 8x8, each with a bias of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.second(self.first(self.features(x))))


class Adapted(Small):
    """The linear layer's weight with a product of two parameters added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.zeros(10, 2)), nn.Parameter(torch.zeros(2, 8))

    def forward(self, x: Tensor) -> Any:
        return functional.linear(self.features(x), self.fc.weight + self.a @ self.b, self.fc.bias)


weight_gradient: Any = grad.conv2d_weight
weight_norm: Any = parametrizations.weight_norm


class Gradient(torch.autograd.Function):
    """A convolution with a backward of its own, of the weight only."""

    @staticmethod
    def forward(context: Any, *given: Any) -> Any:
        context.save_for_backward(*given)
        return functional.conv2d(given[0], given[1], padding=1)

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        x, weight = context.saved_tensors
        return None, weight_gradient(x, weight.shape, gradients[0], padding=1)


convolution: Any = Gradient.apply


class OwnBackward(Small):
    def features(self, x: Tensor) -> Any:
        return convolution(x, self.conv.weight).mean((2, 3))


class Attending(Small):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def features(self, x: Tensor) -> Any:
        tokens = functional.avg_pool2d(self.conv(x), 4).flatten(2).transpose(1, 2)
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return attended.mean(1)


class Sequences(nn.Module):
    """Two layers of a GRU, both ways, over the 16 rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(48, 16, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.gru(x.transpose(1, 2).flatten(2))[0][:, -1])


class MadeOfInput(nn.Module):
    """The weights of a 1x1 convolution are made of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Linear(3, 12)

    def forward(self, x: Tensor) -> Any:
        weights = self.weights(x.mean((2, 3))).view(-1, 3, 4)
        return torch.einsum("bchw,bco->bohw", x, weights)


class Scripted(Small):
    def __init__(self) -> None:
        super().__init__()
        self.conv: Any = torch.jit.script(self.conv)


PER_STEP = 2 * 3 * 16 * (48 + 16) + 2 * 3 * 16 * (32 + 16)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Small, SMALL),
        (Parametrized, (322, *SMALL[1:])),
        (KeepsItself, SMALL),
        (LooksAtValues, SMALL),
        (FrozenBackbone, (*SMALL[:2], 2 * FC)),
        (Frozen, (*SMALL[:2], 0)),
        (ModeOfItsOwn, SMALL),
        (Tied, (314 + 64 + 16, SMALL[1] + 128, SMALL[2] + 4 * 128)),
        (Adapted, (314 + 36, SMALL[1] + 160, SMALL[2] + 4 * 160)),
        (OwnBackward, SMALL),
        (Attending, (602, 63_568, 143_680)),
        (Scripted, SMALL),
        (MadeOfInput, (48, 36 + 3072, 2 * 36 + 2 * 3072)),
    ],
)
def test_a_network_costs_what_it_computes(
    made: Callable[[], nn.Module], expected: tuple[int, int, int]
) -> None:
    assert figures(counted(made())) == expected


def test_a_recurrent_network_costs_its_products_at_every_step() -> None:
    """Backward has them twice, but for the gradients of the images and of the first states."""
    found = counted(Sequences())
    parameters, macs, backward = figures(found)
    first_inputs, first_states = 16 * 2 * 3 * 16 * 48, 4 * 3 * 16 * 16
    assert parameters == 2 * 48 * (48 + 16 + 2) + 2 * 48 * (32 + 16 + 2) + 330
    assert macs == found.macs_linear == 16 * PER_STEP + 320
    assert backward == 2 * (2 * macs - first_inputs - first_states)


def names(found: Cost) -> list[tuple[str, str, int, int]]:
    return [(row.name, row.kind, row.parameters, row.macs) for row in found.layers]


def test_what_belongs_to_no_layer_has_a_row_of_its_own() -> None:
    assert names(counted(Adapted())) == [
        ("conv", "conv", 224, CONV),
        (ITSELF, "adapted", 90 + 36, FC + 160),
    ]
    assert names(counted(Attending())) == [
        ("conv", "conv", 224, CONV),
        ("attention", "multiheadattention", 288, 63_568 - CONV - FC),
        ("fc", "linear", 90, FC),
    ]
    assert names(counted(Parametrized()))[0] == ("conv", "conv", 232, CONV)
    assert names(counted(nn.Conv2d(3, 8, 3, padding=1))) == [(ITSELF, "conv", 224, CONV)]


def test_where_the_work_is() -> None:
    found = counted(Attending())
    assert (found.macs_conv, found.macs_linear, found.macs_attention) == (CONV, 4_096 + FC, 4_096)
    assert counted(MadeOfInput()).macs_other == 3072
    assert counted(Adapted()).macs_other == 160


def test_activations_are_those_of_convolutions_and_linear_layers() -> None:
    assert counted(Small()).activations == 8 * 16 * 16 + 10


@pytest.mark.parametrize("name", MODELS)
def test_our_own_networks_cost_by_operator_what_their_closed_form_says(name: str) -> None:
    side = smallest_image(MODELS[name]) + 3
    closed = cost(MODELS[name], channels=2, image=side, classes=5, batch=3)
    module = build(MODELS[name], channels=2, image=side, classes=5, device="meta")
    arguments = Arguments((torch.zeros(3, 2, side, side),))
    request = CountRequest(model=name, channels=2, image=side, classes=5, batch=3)
    found = counted_cost(module, call_work(module, arguments), request)
    assert figures(found) == (closed.parameters, closed.macs, closed.flops_backward)
    assert (found.macs_conv, found.macs_linear) == (closed.macs_conv, closed.macs_linear)
    assert closed.macs_attention == closed.macs_other == 0
    assert found.activations == closed.activations
    work = step_work(module, arguments, training=True, classes=5)
    assert 2 * work.macs("backward") == closed.flops_backward


def counters(module: nn.Module) -> tuple[FlopCounts, dict[str, int], list[str]]:
    """The counts, what one counter counts alone, and the disagreements."""
    work = call_work(module, images())
    counts = count_flops(module, images())
    return counts, uncompared(counts, work), compare(of_work(work), counts, by="convbench")


def test_where_all_counters_agree_nothing_is_said() -> None:
    counts, alone, differing = counters(Small())
    assert counts.fvcore
    assert counts.fvcore.total == 2 * SMALL[1]
    assert (alone, differing, counts.notes) == ({}, [], ())


def test_what_a_counter_does_not_know_is_named() -> None:
    counts, alone, differing = counters(Attending())
    assert alone == {}
    assert counts.notes == ("fvcore has no formula for scaled_dot_product_attention",)
    assert differing == ["fvcore counts 8,352 FLOPs of matrix products in the forward pass, convbench 16,544"]

    class Scaled(Small):
        def forward(self, x: Tensor) -> Any:
            return self.fc(self.features(x)) * torch.mv(self.fc.weight, self.fc.weight[0])

    counts, alone, differing = counters(Scaled())
    assert alone == {"convbench forward aten.mv": 2 * 80, "convbench backward aten.mv": 2 * 80}
    assert any(words.startswith("torch counts 160 FLOPs of matrix products") for words in differing)


def test_a_counter_that_fails_says_why() -> None:
    counts, _, _ = counters(LooksAtValues())
    assert counts.torch_forward
    assert counts.torch_forward.total == 2 * SMALL[1]

    class Stateless(Small):
        def forward(self, x: Tensor) -> Any:
            return torch.func.functional_call(self.fc, dict(self.fc.named_parameters()), self.features(x))

    counts, _, _ = counters(Stateless())
    assert counts.fvcore is None
    assert counts.notes[0].startswith("fvcore cannot trace this network: ")


class Auxiliary(Small):
    """A second head that only training has."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Any:
        features = self.features(x)
        return (self.fc(features), self.aux(features)) if self.training else self.fc(features)


@pytest.mark.parametrize(("training", "macs", "backward"), [(False, CONV + FC, 0), (True, CONV + 2 * FC, 1)])
def test_a_step_is_counted_in_its_own_mode_and_to_its_own_loss(
    training: bool, macs: int, backward: int
) -> None:
    found = step_work(Auxiliary(), images(8), training=training, classes=1000)
    assert found.macs("forward") == 8 * macs
    assert 2 * found.macs("backward") == backward * 8 * SMALL[2]


def test_a_batch_that_a_network_needs_is_what_it_is_given() -> None:
    class OfEight(Small):
        def forward(self, x: Tensor) -> Any:
            return self.fc(self.features(x.view(-1, 8, 3, 16, 16).flatten(0, 1)))

    for training in (False, True):
        found = step_work(OfEight(), images(8), training=training, classes=10)
        assert found.macs("forward") == 8 * SMALL[1]
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        call_work(OfEight(), images(1))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
def test_a_copy_without_data_is_made_of_tensors_that_were_computed() -> None:
    module: Any = Small()
    nn.utils.weight_norm(module.conv)
    module.plain = [torch.ones(2, requires_grad=True)]
    copied: Any = copy_with(module, lambda each: torch.empty_like(each, device="meta", requires_grad=False))
    assert copied.conv.weight.is_meta
    assert copied.plain[0].is_meta
    assert not module.conv.weight.is_meta
