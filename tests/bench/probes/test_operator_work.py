"""What operators do, and for which module, against answers by hand and torch's own counter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune, weight_norm
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from bench.probes.operator_work import StepWork, WorkCounter, watching

CONV, FC = 16 * 16 * 8 * 27, 80
"""Multiply-accumulates of the small network on one image of 16x16."""


def work(module: nn.Module, *inputs: Tensor) -> StepWork:
    """Forward and backward of whatever needs gradients, in the module's own mode."""
    counter = WorkCounter(inputs)
    with watching(module, counter):
        output = module(*inputs)
        counter.phase = "backward"
        if output.requires_grad:
            torch.autograd.backward([output], [torch.ones_like(output)])
    return counter.work()


def images(batch: int = 1) -> Tensor:
    return torch.zeros(batch, 3, 16, 16)


def by_module(found: StepWork, phase: Any = "forward") -> dict[str, int]:
    names = dict.fromkeys(call.name for call in found.calls)
    return {name: macs for name in names if (macs := found.macs(phase, module=name))}


class Small(nn.Module):
    """Convolution, mean, linear layer, in the call style that a subclass says."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.conv(x).mean((2, 3)))


class ByKeyword(Small):
    def forward(self, x: Tensor) -> Any:
        return self.fc(input=self.conv(input=x).mean((2, 3)))


class Direct(Small):
    def forward(self, x: Tensor) -> Any:
        return self.fc.forward(self.conv.forward(x).mean((2, 3)))


class Functional(Small):
    def forward(self, x: Tensor) -> Any:
        features = functional.conv2d(x, self.conv.weight, padding=1).mean((2, 3))
        return features @ self.fc.weight.t()


class PlainTensors(nn.Module):
    """Weights that are no parameters, as of a converted network."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.weight = torch.zeros(8, 3, 3, 3), torch.zeros(10, 8)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Any:
        features = functional.conv2d(x * self.scale, self.kernel, padding=1).mean((2, 3))
        return torch.einsum("bi,oi->bo", features, self.weight)


class Normed(Small):
    def __init__(self) -> None:
        super().__init__()
        parametrizations.weight_norm(self.conv)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
@pytest.mark.parametrize(
    "made", [Small, ByKeyword, Direct, Normed, lambda: weight_normed(Small()), lambda: pruned(Small())]
)
def test_a_layer_is_counted_however_it_is_called(made: Callable[[], nn.Module]) -> None:
    found = work(made(), images(8))
    assert by_module(found) == {"conv": 8 * CONV, "fc": 8 * FC}
    assert by_module(found, "backward") == {"conv": 8 * CONV, "fc": 8 * 2 * FC}
    assert (found.macs("forward", "conv"), found.macs("forward", "linear")) == (8 * CONV, 8 * FC)


def weight_normed(net: Small) -> nn.Module:
    weight_norm(net.conv)
    return net


def pruned(net: Small) -> nn.Module:
    prune.l1_unstructured(net.conv, "weight", amount=0.5)
    return net


@pytest.mark.parametrize("made", [Functional, PlainTensors])
def test_work_without_a_layer_belongs_to_the_network_itself(made: Callable[[], nn.Module]) -> None:
    found = work(made(), images())
    assert by_module(found) == {"": CONV + FC}
    assert (found.macs("forward", "conv"), found.macs("forward", "linear")) == (CONV, FC)


class Attending(Small):
    def __init__(self, need_weights: bool = False) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.need_weights = need_weights

    def forward(self, x: Tensor) -> Any:
        tokens = functional.avg_pool2d(self.conv(x), 4).flatten(2).transpose(1, 2)
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=self.need_weights)
        return self.fc(attended.mean(1))


PROJECTIONS, PRODUCTS = 16 * 8 * 24 + 16 * 8 * 8, 2 * 16 * 16 * 8


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("need_weights", [False, True])
def test_attention_is_its_projections_and_both_products(device: str, need_weights: bool) -> None:
    found = work(Attending(need_weights).to(device), images().to(device))
    assert found.macs("forward") == 63_568
    assert by_module(found) == {"conv": CONV, "attention": PROJECTIONS + PRODUCTS, "fc": FC}
    assert found.macs("forward", "linear") == PROJECTIONS + FC
    assert found.macs("forward", "attention") == PRODUCTS
    # Fused attention, which the CPU has and `meta` has not, multiplies for the scores again.
    fused = device == "cpu" and not need_weights
    assert found.macs("backward", "attention") == 2 * PRODUCTS + fused * PRODUCTS // 2
    assert found.macs("backward") == CONV + 2 * (PROJECTIONS + FC) + found.macs("backward", "attention")


class Checkpointed(Small):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Any:
        return self.fc(checkpoint(self.features, x, use_reentrant=self.reentrant).mean((2, 3)))

    def features(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x))


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_runs_again_in_backward_is_backward_work_of_the_same_layer(reentrant: bool) -> None:
    found = work(Checkpointed(reentrant), images(8).requires_grad_())
    assert by_module(found) == {"conv": 8 * CONV, "fc": 8 * FC}
    assert by_module(found, "backward") == {"conv": 8 * 3 * CONV, "fc": 8 * 2 * FC}
    assert [call.name for call in found.calls] == ["", "conv", "fc"]


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(8, 8, bias=False)

    def forward(self, x: Tensor) -> Any:
        return self.shared(self.shared(x))


def test_a_layer_that_runs_twice_has_two_calls() -> None:
    found = work(Twice(), torch.zeros(5, 8))
    assert [call.name for call in found.calls] == ["", "shared", "shared"]
    macs = [sum(o.macs for o in found.operators if o.call == call) for call in (1, 2)]
    assert macs == [320 + 320, 320 + 640]


class Frozen(Small):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


def test_nothing_frozen_has_a_backward() -> None:
    assert work(Frozen(), images()).macs("backward") == 0


RECURRENT = 7 * 5 * (4 * 6 * 4 + 4 * 6 * 6)
"""An LSTM of 4 -> 6 over 5 sequences of 7 steps."""


class Sequence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 6, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        return self.lstm(x)[0]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_recurrent_layer_multiplies_at_every_step(device: str) -> None:
    found = work(Sequence().to(device), torch.zeros(5, 7, 4, device=device))
    assert by_module(found) == {"lstm": RECURRENT}
    assert found.macs("forward", "linear") == RECURRENT


@pytest.mark.parametrize(
    ("module", "shape", "macs"),
    [
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (5, 4, 7, 7), 5 * 4 * 49 * 3 * 9),
        (nn.Conv2d(4, 6, 3, groups=2, stride=2), (5, 4, 9, 9), 5 * 6 * 16 * 2 * 9),
        (nn.Conv1d(4, 4, 3, groups=4), (5, 4, 9), 5 * 4 * 7 * 3),
        (nn.Conv3d(2, 3, 2), (5, 2, 4, 4, 4), 5 * 3 * 27 * 2 * 8),
        (nn.Linear(4, 6), (5, 7, 4), 5 * 7 * 24),
        (nn.Bilinear(4, 4, 3), (5, 4), 5 * 3 * (16 + 4)),
    ],
)
def test_each_gradient_of_a_layer_costs_what_its_forward_does(
    module: nn.Module, shape: tuple[int, ...], macs: int
) -> None:
    given = torch.zeros(shape).requires_grad_()
    bilinear = isinstance(module, nn.Bilinear)
    found = work(module, given, given) if bilinear else work(module, given)
    assert found.macs("forward") == macs
    if not bilinear:
        assert found.macs("backward") == 2 * macs


A, B, C = torch.zeros(5, 7, 4), torch.zeros(5, 4, 3), torch.zeros(5, 7, 3)


@pytest.mark.parametrize(
    ("product", "macs"),
    [
        (lambda: A @ B, 420),
        (lambda: torch.einsum("bij,bjk->bik", A, B), 420),
        (lambda: torch.baddbmm(C, A, B), 420),
        (lambda: torch.addbmm(C[0], A, B), 420),
        (lambda: torch.tensordot(A[0], B[0], 1), 84),
        (lambda: A[0] @ B[0][:, 0], 28),
        (lambda: torch.addmv(C[0, :, 0], A[0], B[0, :, 0]), 28),
        (lambda: torch.dot(A[0, 0], B[0, :, 0]), 4),
        (lambda: C[0].addmm_(A[0], B[0]), 84),
        (lambda: A.to(torch.complex64) @ B.to(torch.complex64), 4 * 420),
        (lambda: functional.scaled_dot_product_attention(A[None], A[None], C[None]), 5 * 7 * 7 * (4 + 3)),
        (lambda: torch.relu(A) + torch.softmax(A, 1) + functional.layer_norm(A, (4,)), 0),
    ],
)
def test_products_outside_of_layers(product: Callable[[], Tensor], macs: int) -> None:
    class Product(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return product()

    found = work(Product(), A)
    assert found.macs("forward") == macs
    assert found.unknown == ()
    with torch.inference_mode():
        assert work(Product(), A).macs("forward") == macs


def test_arithmetic_without_a_formula_is_named() -> None:
    class Spectral(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return torch.fft.rfft(x).abs() @ torch.linalg.inv(torch.eye(9))

    found = work(Spectral(), torch.zeros(9, 16))
    assert found.macs("forward") == 9 * 9 * 9
    assert found.unknown == ("aten._fft_r2c", "aten.linalg_inv_ex")


def test_torchs_own_counter_agrees_on_a_transformer() -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, device="meta").eval()
    given = torch.zeros(3, 5, 16, device="meta")
    found = work(layer, given)
    with FlopCounterMode(display=False) as forward:
        output = layer(given)
    with FlopCounterMode(display=False) as backward:
        output.sum().backward()
    assert 2 * found.macs("forward") == forward.get_total_flops()
    assert 2 * found.macs("backward") == backward.get_total_flops()
    assert set(by_module(found)) == {"self_attn", "linear1", "linear2"}


def test_the_module_is_left_as_it_was() -> None:
    net = Small()
    work(net, images())
    assert "forward" not in net.__dict__
    assert "forward" not in net.conv.__dict__
    assert torch.backends.mha.get_fastpath_enabled()
