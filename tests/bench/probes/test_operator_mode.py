"""Operators inside of torch's higher-order ones, counted on networks that a user may have."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import flex_attention

from bench.child.layers.recorded import record
from bench.child.passes import bytes_moved, flops_counted
from bench.probes.step_work import step_work
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from models.network import Arguments

CASE = Case(model="lenet5", workload="inference", classes=10)
GIVEN = Arguments((torch.ones(2, 6, 8),))


class Flexible(nn.Module):
    """Attention of 6 tokens of 8 numbers to each other: two products of 6 * 6 * 8, then 8 * 10."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x[:, None]
        seen = flex_attention(tokens, tokens, tokens, score_mod=lambda score, b, h, q, k: score + q - k)
        assert isinstance(seen, Tensor)
        fc: Tensor = self.fc(seen[:, 0].mean(1))
        return fc


class Conditional(nn.Module):
    """One of two layers: 6 * 8 * 10, or 6 * 8 * 1,000."""

    def __init__(self) -> None:
        super().__init__()
        self.small, self.large = nn.Linear(8, 10), nn.Linear(8, 1000)

    def forward(self, x: Tensor) -> Tensor:
        def large(x: Tensor) -> Tensor:
            scores: Tensor = self.large(x)
            return scores[..., :10].contiguous()

        chosen: Tensor = torch.cond(x.sum() < 0, large, self.small, (x,))
        return chosen


class Spectral(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.fft.fft(x).real)


@pytest.fixture(autouse=True)
def eager() -> object:
    """As in a case's process."""
    with torch.compiler.set_stance("force_eager"):
        yield


@pytest.mark.filterwarnings("ignore:.*flex_attention:UserWarning")
def test_flexible_attention_is_attention() -> None:
    work = step_work(Flexible(), GIVEN, training=False, classes=10)
    assert work.macs("forward", "attention") == 2 * 2 * 6 * 6 * 8
    assert work.macs("forward") == 2 * 2 * 6 * 6 * 8 + 2 * 8 * 10
    assert work.unknown == ()


def test_a_condition_does_what_the_branch_does_that_holds() -> None:
    work = step_work(Conditional(), GIVEN, training=False, classes=10)
    assert work.macs("forward") == 2 * 6 * 8 * 10
    assert work.macs("forward", module="small") == work.macs("forward")
    assert work.unknown == ()


def test_a_condition_has_bytes_and_layers() -> None:
    network = Conditional().eval()
    (moved,) = bytes_moved(CASE, network, GIVEN)
    layer = 4 * (2 * 6 * 8 + 8 * 10 + 10 + 2 * 6 * 10)
    assert layer < moved.samples[0] < 2 * layer
    with torch.no_grad():
        (small,) = record(network, lambda: GIVEN.call(network)).calls[:1]
    assert small.flops == 2 * 2 * 6 * 8 * 10


class Attentive(nn.Module):
    """Three projections of 6 * 8 * 8, two products of 6 * 6 * 8, then 8 * 10."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.fc = nn.Linear(8, 24), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (each[:, None] for each in self.qkv(x).chunk(3, -1))
        seen = nn.functional.scaled_dot_product_attention(query, key, value)
        fc: Tensor = self.fc(seen[:, 0].mean(1))
        return fc


def test_the_backward_of_a_step_is_that_of_the_kernel_that_the_device_has() -> None:
    network = Attentive()
    calls = record(network, lambda: GIVEN.call(network).sum().backward()).calls
    rows = sum(call.flops_backward or 0 for call in calls)
    products = 2 * 6 * 6 * 8
    # On a processor fused attention computes the first product once more for its four gradients.
    assert rows == 2 * (2 * 6 * 8 * 24 + 5 * products + 2 * 2 * 8 * 10)
    work = step_work(network, GIVEN, training=True, classes=10)
    assert 2 * work.macs("backward") == rows


def test_a_case_says_which_operators_its_flops_leave_out() -> None:
    warnings: list[CaseWarning] = []
    (found,) = flops_counted(CASE, Spectral(8, 10), GIVEN, warnings)
    assert found.samples == [2 * 2 * 6 * 8 * 10]
    assert [each.label for each in warnings] == ["incomplete"]
    assert "aten._fft_r2c" in warnings[0].detail
    warnings.clear()
    flops_counted(CASE, nn.Linear(8, 10), GIVEN, warnings)
    assert warnings == []
