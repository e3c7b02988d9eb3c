"""However layers are called, the rows hold the work of the step, each at the layer that did it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bench import devices, engines
from bench.child.layers.layer_calls import LayerCall, backward_flops, forward_bytes, forward_flops
from bench.child.layers.layer_pass import time_layers
from bench.child.layers.marked import MarkedSteps
from bench.child.layers.recorded import record
from bench.devices.fake import FakeDevice
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.layer_phases import BETWEEN, LOSS, UPDATE, LayerPart
from tests.planted.call_styles import styles
from tests.planted.planted_layers import Planted, image, on, steps_of, timed
from tests.planted.planted_steps import MS

FEW = MeasurementProtocol(min_samples=3, max_samples=3, sampling_seconds=0.1)
BATCH = 8
CONV = 2 * BATCH * 16 * 16 * 8 * 27
"""FLOPs of the convolution, once: forward, or for one of its gradients."""
LINEAR = 2 * BATCH * 8 * 10
IMAGES, MAPS = 4 * BATCH * 3 * 256, 4 * BATCH * 8 * 256
"""Bytes of the images, and of the convolution's output."""

STYLES = dict(styles())
CONV_ROW = {
    "Functional": "Functional",
    "Unregistered": "Unregistered",
}
"""Whose row the convolution is in, where it is no layer called `conv`."""
CONV_BACKWARD = {
    "FrozenBelow": 0,
    "Checkpointed": 2 * CONV,  # forward once more, and the weight
    "CheckpointedReentrant": 3 * CONV,  # and the images, whose gradient that kind must be asked for
}


def step_of(network: nn.Module, workload: str) -> Callable[[], None]:
    images = torch.randn(BATCH, 3, 16, 16)

    def train() -> None:
        network.zero_grad()
        network(images.detach()).sum().backward()

    def infer() -> None:
        with torch.no_grad():
            network(images)

    network.train(workload == "training")
    return train if workload == "training" else infer


def sums(calls: list[LayerCall], count: Callable[[LayerCall], int | None]) -> dict[str, int]:
    """By layer; layers that have nothing of the kind left out."""
    found: dict[str, int] = {}
    for call in calls:
        found[call.layer.name] = found.get(call.layer.name, 0) + (count(call) or 0)
    return {name: value for name, value in found.items() if value}


def recomputed_flops(call: LayerCall) -> int | None:
    """What a call has in backward."""
    return (backward_flops(call) or 0) + (forward_flops(call) or 0) * call.recomputed


@pytest.mark.parametrize("workload", ["inference", "training"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.filterwarnings("ignore")
def test_the_rows_hold_the_flops_of_the_step(style: str, workload: str) -> None:
    network = STYLES[style]
    calls = record(network, step_of(network, workload)).calls
    forward = sums([call for call in calls if not call.recomputed], forward_flops)
    conv, linear = CONV_ROW.get(style, "conv"), "Functional" if style == "Functional" else "fc"
    wanted = {conv: CONV}
    wanted[linear] = wanted.get(linear, 0) + LINEAR
    assert forward == wanted
    if workload == "training":
        back = {conv: CONV_BACKWARD.get(style, CONV)}
        back[linear] = back.get(linear, 0) + (1 if style == "FrozenBelow" else 2) * LINEAR
        assert sums(calls, recomputed_flops) == {name: flops for name, flops in back.items() if flops}
    assert not any("forward" in part.__dict__ for part in network.modules())


@pytest.mark.parametrize("workload", ["inference", "training"])
@pytest.mark.parametrize(
    ("style", "weights"),
    [
        ("Keywords", 216 + 8),
        ("DirectForward", 216 + 8),
        ("OwnWorkBesideAChild", 216),
        ("OldWeightNorm", 216 + 8),
        ("Checkpointed", 216 + 8),
        ("Dict", 216 + 8),
        ("Dataclass", 216 + 8),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_convolution_moves_images_weights_and_output_once(style: str, weights: int, workload: str) -> None:
    network = STYLES[style]
    calls = record(network, step_of(network, workload)).calls
    conv = sums([call for call in calls if not call.recomputed], forward_bytes)["conv"]
    assert conv == IMAGES + 4 * weights + MAPS


def test_a_hidden_weight_is_read_by_the_module_that_computes_with_it() -> None:
    """The images, the weights that no module owns, the mean and the features."""
    network = STYLES["Unregistered"]
    calls = record(network, step_of(network, "inference")).calls
    found = sums(calls, forward_bytes)
    assert found["Unregistered"] == IMAGES + 4 * (216 + 8) + 4 * BATCH * 8


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.filterwarnings("ignore")
def test_every_style_falls_into_layers_that_are_the_step(style: str) -> None:
    """Nothing is outside a row, and a layer that ran has one."""
    network = STYLES[style]
    network.train()
    steps = steps_of(network, torch.randn(BATCH, 3, 16, 16))
    computing = record(network, steps.step).computing
    network.zero_grad()
    found = MarkedSteps(network, steps, devices.get("cpu"), computing).time()
    named = {(piece.part, piece.layer.name) for piece in found if piece.layer.kind}
    conv, linear = CONV_ROW.get(style, "conv"), "Functional" if style == "Functional" else "fc"
    assert {("forward", conv), ("forward", linear), ("backward", linear)} <= named
    assert (("backward", conv) in named) is (style != "FrozenBelow")
    ours = {LayerPart("forward", BETWEEN), LayerPart("forward", LOSS), LayerPart("backward", LOSS)}
    assert {piece for piece in found if not piece.layer.kind} <= {*ours, LayerPart("optimizer", UPDATE)}


class Around(nn.Module):
    """Calls two planted layers in some way, with planted work of its own before and after the second."""

    def __init__(self, device: FakeDevice, call: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.first = Planted(on(device), 2 * MS, 4 * MS)
        self.second = Planted(on(device), 8 * MS, 16 * MS)
        self.call = call

    def forward(self, given: Tensor) -> Any:
        return self.call(self.second, self.call(self.first, given))


@pytest.mark.parametrize(
    "call",
    [
        lambda layer, given: layer(given),
        lambda layer, given: layer(given=given),
        lambda layer, given: layer.forward(given),
    ],
    ids=["positional", "keyword", "direct"],
)
def test_planted_times_are_found_however_layers_are_called(call: Callable[[nn.Module, Tensor], Any]) -> None:
    device = FakeDevice()
    assert timed(Around(device, call), device, image(2)) == {
        ("forward", "first"): 2,
        ("forward", "second"): 8,
        ("backward", "second"): 16,
        ("backward", "first"): 4,
    }


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_runs_again_takes_its_time_in_backward(reentrant: bool) -> None:
    """Forward a second time, and backward; of the last layer of what is recomputed, as much as is needed."""
    device = FakeDevice()

    def call(layer: nn.Module, given: Tensor) -> Any:
        return checkpoint(lambda x: layer(x) * x, given, use_reentrant=reentrant)

    assert timed(Around(device, call), device, image(2)) == {
        ("forward", "first"): 2,
        ("forward", "second"): 8,
        ("backward", "second"): 8 + 16,
        ("backward", "first"): 2 + 4,
    }


class Nested(nn.Module):
    """Multiplies before and after a child."""

    def __init__(self, device: FakeDevice) -> None:
        super().__init__()
        self.before, self.after = Planted(on(device), 1 * MS, 2 * MS), Planted(on(device), 4 * MS, 8 * MS)
        self.child = Planted(on(device), 16 * MS, 32 * MS)
        self.weight = nn.Parameter(torch.ones(2))
        # hidden: what they cost is this module's own
        self.own = [self.before, self.after]
        del self.before, self.after

    def forward(self, given: Tensor) -> Any:
        return self.own[1](self.child(self.own[0](given * self.weight)))


def test_what_a_module_does_beside_its_children_is_its_own_row() -> None:
    device = FakeDevice()
    found = timed(nn.Sequential(Nested(device), Planted(on(device), 64 * MS, 128 * MS)), device, image(2))
    assert found == {
        ("forward", "0"): 1 + 4,
        ("forward", "0.child"): 16,
        ("forward", "1"): 64,
        ("backward", "1"): 128,
        ("backward", "0"): 2 + 8,
        ("backward", "0.child"): 32,
    }


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, tokens: Tensor) -> Any:
        return self.attention(tokens, tokens, tokens, need_weights=False)[0]


def test_attention_computes_in_a_row_of_its_own() -> None:
    """16 tokens of width 8: 16 x 8 x 24 MACs to queries, keys and values, 16 x 16 x 8 for each of the two
    products, and 16 x 8 x 8 out; its child is never called."""
    network, tokens = Attention(), torch.randn(3, 16, 8)
    calls = record(network, lambda: network(tokens).sum().backward()).calls
    macs = 16 * 8 * 24 + 2 * 16 * 16 * 8 + 16 * 8 * 8
    assert sums(calls, forward_flops) == {"attention": 2 * 3 * macs}
    # all products have two gradients, but the one that takes the tokens, which need none
    least = 2 * 3 * (2 * macs - 16 * 8 * 24)
    assert least <= sums(calls, backward_flops)["attention"] <= least + 2 * 3 * 16 * 16 * 8


def test_torchs_fast_paths_in_inference_are_counted_too() -> None:
    """An encoder layer is a single operator then, and so is attention: 16 x 8 x 32 MACs in projections,
    2 x 16 x 16 x 8 in products, and 2 x 16 x 8 x 20 in the two linear layers of an encoder."""
    attention = 16 * 8 * 32 + 2 * 16 * 16 * 8
    encoder = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 20, batch_first=True)).eval()
    tokens = torch.randn(3, 16, 8)
    with torch.no_grad():
        one = record(encoder, lambda: encoder(tokens)).calls
        other = record(network := Attention().eval(), lambda: network(tokens)).calls
    assert sums(one, forward_flops) == {"0": 2 * 3 * (attention + 2 * 16 * 8 * 20)}
    assert sums(other, forward_flops) == {"attention": 2 * 3 * attention}


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_layers_have_a_row(kind: type[nn.Module], gates: int) -> None:
    """At each of 5 steps every gate of 6 meets 4 inputs and 6 of the step before."""

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = kind(4, 6, batch_first=True)

        def forward(self, given: Tensor) -> Any:
            return self.layer(given)[0]

    network, given = Recurrent(), torch.randn(3, 5, 4)
    calls = record(network, lambda: network(given).sum().backward()).calls
    assert sums(calls, forward_flops) == {"layer": 2 * 3 * 5 * gates * 6 * (4 + 6)}
    assert sums(calls, backward_flops)["layer"] > 0


def test_shared_weights_and_layers_that_are_called_twice() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(8, 8), nn.Linear(8, 8)
            self.other.weight = self.one.weight

        def forward(self, given: Tensor) -> Any:
            return self.other(self.one(self.one(given)))

    network, given = Tied(), torch.randn(3, 8)
    calls = record(network, lambda: network(given).sum().backward()).calls
    once = 2 * 3 * 8 * 8
    assert [call.layer.name for call in calls] == ["one", "one", "other"]
    assert sums(calls, forward_flops) == {"one": 2 * once, "other": once}
    # the first call has no gradient of its input
    assert sums(calls, backward_flops) == {"one": 3 * once, "other": 2 * once}


class Called(nn.Module):
    """Computes in `__call__`, and has no `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 10)
        self.weight = nn.Parameter(torch.randn(10, 4))

    def __call__(self, given: Tensor) -> Any:
        return self.layer(given) @ self.weight


def test_what_runs_in_no_forward_has_a_row_too() -> None:
    network, given = Called(), torch.randn(3, 8)
    calls, outside, _ = record(network, lambda: network(given).sum().backward())
    assert sums(calls, forward_flops) == {"layer": 2 * 3 * 80}
    assert sums(outside, forward_flops) == {BETWEEN.name: 2 * 3 * 40}
    assert sums(outside, backward_flops) == {LOSS.name: 2 * 2 * 3 * 40}


class Solved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.matrix = nn.Linear(4, 4), nn.Parameter(torch.eye(4))

    def forward(self, given: Tensor) -> Any:
        return torch.linalg.solve(self.matrix, self.layer(given).t())


def test_a_layer_with_an_operator_of_no_known_formula_has_no_flops_and_a_warning() -> None:
    network, given = Solved(), torch.randn(3, 4)
    found: list[CaseWarning] = []
    case = Case(model="planted", workload="training")
    steps = steps_of(network, given)
    eager, cpu = engines.get("eager"), devices.get("cpu")
    measured = time_layers(case, network, steps, eager, cpu, FEW, found)
    counted = {(m.layer.name, m.phase) for m in measured if m.layer and m.metric == "flops"}
    assert counted == {("layer", "forward"), ("layer", "backward")}
    (warning,) = found
    assert warning.label == "incomplete"
    assert "FLOPs of Solved (aten::" in warning.detail
