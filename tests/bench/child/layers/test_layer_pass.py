"""Layers: planted times are found again, costs are torch's own count, and gradients come apart."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench import devices, engines
from bench.child.layers import gradients
from bench.child.layers.layer_calls import (
    LayerCall,
    backward_bytes,
    backward_flops,
    forward_bytes,
    forward_flops,
)
from bench.child.layers.layer_kinds import kind_of, layers_of
from bench.child.layers.layer_pass import time_layers
from bench.child.layers.marked import MarkedSteps
from bench.child.layers.recorded import record
from bench.devices.fake import Event, FakeDevice
from bench.probes.flops import convolution_backward_flops
from bench.probes.traffic import step_bytes
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.layer_phases import BETWEEN, LOSS, UPDATE, Layer, LayerPart, Part
from bench.schema.record import Measurement
from tests.planted.fake_cuda import FakeCuda
from tests.planted.planted_arguments import of_shape
from tests.planted.planted_layers import Planted, image, on, steps_of, timed
from tests.planted.planted_steps import MS

pytestmark = pytest.mark.slow

CPU = devices.get("cpu")
FEW = MeasurementProtocol(min_samples=3, max_samples=3, sampling_seconds=0.1)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_planted_times_are_found_in_their_layers(asynchronous: bool) -> None:
    device = FakeDevice(asynchronous)
    module = nn.Sequential(Planted(on(device), 20 * MS, 40 * MS), Planted(on(device), 3 * MS, 5 * MS))
    assert timed(module, device, image(2)) == {
        ("forward", "0"): 20,
        ("forward", "1"): 3,
        ("backward", "1"): 5,
        ("backward", "0"): 40,
    }


def test_real_seconds_are_found_too() -> None:
    module = nn.Sequential(Planted(time.sleep, 0.02, 0.04), nn.Identity())
    steps = MarkedSteps(module, steps_of(module, image(2)), CPU)
    rounds = [steps.time() for _ in range(5)]
    planted: tuple[tuple[Part, float], ...] = (("forward", 0.02), ("backward", 0.04))
    for part, seconds in planted:
        least = min(
            found[LayerPart(part, Layer("0", "Planted"))] for found in rounds
        )  # others use the machine
        assert seconds <= least < 1.5 * seconds
    assert LayerPart("backward", Layer("1", "Identity")) not in rounds[0]


def test_what_stands_between_layers_and_after_them_has_rows_of_its_own() -> None:
    device = FakeDevice()

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Planted(on(device), 2 * MS, 4 * MS)

        def forward(self, given: Tensor) -> Tensor:
            device.launch(0, 7 * MS)
            result: Tensor = self.layer(given)
            return result

    module = Network()
    steps = steps_of(module, image(2), optimize=lambda: device.launch(0, 9 * MS))
    found = {piece: seconds / MS for piece, seconds in MarkedSteps(module, steps, device).time().items()}
    assert found[LayerPart("forward", BETWEEN)] == pytest.approx(7, abs=0.1)
    assert found[LayerPart("optimizer", UPDATE)] == pytest.approx(9, abs=0.1)
    assert found[LayerPart("forward", LOSS)] == pytest.approx(0, abs=0.1)
    assert sum(found.values()) == pytest.approx(2 + 4 + 7 + 9, abs=0.1)


def test_branches_keep_their_layers_apart() -> None:
    device = FakeDevice()

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left = Planted(on(device), 2 * MS, 4 * MS)
            self.right = Planted(on(device), 8 * MS, 16 * MS)

        def forward(self, given: Tensor) -> Tensor:
            result: Tensor = self.left(given) + self.right(given)
            return result

    assert timed(Branches(), device, image(2)) == {
        ("forward", "left"): 2,
        ("forward", "right"): 8,
        ("backward", "right"): 16,
        ("backward", "left"): 4,
    }


def test_a_layer_used_twice_adds_up() -> None:
    device = FakeDevice()
    twice = Planted(on(device), 2 * MS, 4 * MS)
    module = nn.Sequential(twice, Planted(on(device), 1 * MS, 1 * MS), twice)
    given = image(2)
    assert timed(module, device, given) == {
        ("forward", "0"): 4,
        ("forward", "1"): 1,
        ("backward", "0"): 8,
        ("backward", "1"): 1,
    }
    calls = record(module, steps_of(module, given).step).calls
    assert [call.layer.name for call in calls] == ["0", "1", "0"]


def test_a_relu_in_place_takes_no_backward_from_the_convolution_before_it() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 2))
    found = MarkedSteps(module, steps_of(module, image(2, 3, 8, 8)), CPU).time()
    assert [piece.layer.name for piece in found if piece.part == "backward"][1:] == ["3", "2", "1", "0"]


def test_nothing_is_left_on_the_module() -> None:
    device = FakeDevice()
    module = nn.Sequential(Planted(on(device), MS, MS))
    MarkedSteps(module, steps_of(module, image(2)), device).time()
    record(module, steps_of(module, image(2)).step)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_the_shield_covers_what_the_host_takes_to_enqueue() -> None:
    """Slow Python between the layers is no layer's time."""
    device = FakeDevice()
    module = nn.Sequential(*(Planted(lambda s: device.launch(5 * MS, s), MS, MS) for _ in range(3)))
    assert set(timed(module, device, image(2)).values()) == {1.0}


def trained(module: nn.Module, device: FakeDevice) -> dict[tuple[str, str | None, str], Measurement]:
    """The layers of training steps, by phase, layer's name and metric."""
    case = Case(model="planted", workload="training")
    measured = time_layers(case, module, steps_of(module, image(2)), engines.get("eager"), device, FEW, [])
    return {(m.phase, None if m.layer is None else m.layer.name, m.metric): m for m in measured}


def test_layers_are_timed_on_a_chip_that_is_warm() -> None:
    """2% faster after a rest or a spin: each layer's time, and the step's, are those of steps in a row."""
    device = FakeCuda(cool_speed=1.02)
    layers = [Planted(lambda s: device.launch(2 * MS, s), 10 * MS, 10 * MS) for _ in range(2)]
    module = nn.Sequential(*layers)
    found = trained(module, device)
    for layer in ("0", "1"):
        assert found["forward", layer, "layer_time"].samples == pytest.approx([10 * MS] * 3, rel=1e-4)
    assert found["layers", None, "whole_time"].samples == pytest.approx([40 * MS] * 3, rel=1e-4)


def test_the_layers_add_up_to_the_whole_step() -> None:
    device = FakeDevice()
    module = nn.Sequential(Planted(on(device), 20 * MS, 40 * MS), Planted(on(device), 3 * MS, 5 * MS))
    found = trained(module, device)
    assert found["layers", None, "sum_time"].samples == pytest.approx([68 * MS] * 3, rel=1e-3)
    assert found["layers", None, "whole_time"].samples == pytest.approx([68 * MS] * 3, rel=1e-3)
    assert found["layers", None, "sum_over_whole"].samples == pytest.approx([1.0] * 3, rel=1e-3)
    assert found["backward", "0", "layer_time"].samples == pytest.approx([40 * MS] * 3, rel=1e-3)
    assert found["forward", "0", "calls"].samples == [1.0]


def test_layers_inside_a_vmap_are_refused_in_words_of_ours() -> None:
    class Mapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            mapped: torch.Tensor = torch.vmap(self.inner)(images)
            return mapped

    with pytest.raises(RuntimeError, match=r"calls its layers inside torch\.vmap"):
        trained(Mapped(), FakeDevice())


def test_steps_that_the_workload_refuses_leave_no_layers() -> None:
    device = FakeDevice()
    module = nn.Sequential(Planted(on(device), MS, MS))
    steps = steps_of(module, image(2))
    answers = iter([None, "GradScaler skipped steps"])
    refusing = replace(steps, why_invalid=lambda: next(answers))
    with pytest.raises(RuntimeError, match="GradScaler skipped"):
        time_layers(Case(model="planted"), module, refusing, engines.get("eager"), device, FEW, [])


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (nn.Conv2d(3, 64, 11, 4), "Conv2d 3->64, 11x11/4"),
        (nn.Conv2d(64, 192, (1, 5), (1, 2), groups=2), "Conv2d 64->192, 1x5/1x2, groups 2"),
        (nn.MaxPool2d(3, 2), "MaxPool2d 3x3/2"),
        (nn.AdaptiveAvgPool2d((6, 6)), "AdaptiveAvgPool2d 6x6"),
        (nn.Linear(9216, 4096), "Linear 9216->4096"),
        (nn.BatchNorm2d(64), "BatchNorm2d 64"),
        (nn.ReLU(), "ReLU"),
    ],
)
def test_kinds_in_words(part: nn.Module, words: str) -> None:
    assert kind_of(part) == words


def test_a_network_of_one_layer_has_the_name_of_its_class() -> None:
    assert [layer for layer, _ in layers_of(nn.ReLU())] == [Layer("ReLU", "ReLU")]


COUNTED = [
    (nn.Conv2d(6, 8, 3, stride=2, padding=1), (2, 6, 9, 9)),
    (nn.Conv2d(6, 8, (3, 5), groups=2, bias=False), (2, 6, 9, 9)),
    (nn.ConvTranspose2d(6, 8, 3, stride=2), (2, 6, 5, 5)),
    (nn.Conv1d(4, 5, 3), (2, 4, 16)),
    (nn.Linear(7, 5), (3, 7)),
]


def calls_of(part: nn.Module, given: Tensor) -> LayerCall:
    def run() -> None:
        part(given).sum().backward()

    return record(nn.Sequential(part), run).calls[0]


@pytest.mark.parametrize("to_input", [False, True])
@pytest.mark.parametrize(("part", "shape"), COUNTED, ids=lambda value: type(value).__name__)
def test_flops_are_what_torch_counts(part: nn.Module, shape: tuple[int, ...], to_input: bool) -> None:
    given = torch.randn(shape).requires_grad_(to_input)
    call = calls_of(part, given)
    grouped = {torch.ops.aten.convolution_backward: convolution_backward_flops}
    with FlopCounterMode(display=False, custom_mapping=grouped) as ahead:
        result = part(given).sum()
    with FlopCounterMode(display=False, custom_mapping=grouped) as back:
        result.backward()
    assert forward_flops(call) == ahead.get_total_flops()
    assert backward_flops(call) == back.get_total_flops()


@pytest.mark.parametrize(
    ("part", "forward", "backward"),
    [
        # 2 x 3 x 8 x 8 in, 2 x 4 x 6 x 6 out, 4 x 3 x 3 x 3 + 4 weights, of four bytes each
        (nn.Conv2d(3, 4, 3), 384 + 112 + 288, (288 + 384 + 112) + (112 + 384)),
        (nn.ReLU(), 2 * 384, 3 * 384),
        (nn.ReLU(inplace=True), 2 * 384, 3 * 384),
        (nn.MaxPool2d(2), 384 + 96, 96 + 384 + 384),
        (nn.Flatten(), 0, 0),
        (nn.Identity(), 0, 0),
        (nn.Dropout().eval(), 0, 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_bytes_are_each_tensor_once(part: nn.Module, forward: int, backward: int) -> None:
    call = calls_of(part, image(2, 3, 8, 8) * 1)
    assert (forward_bytes(call), backward_bytes(call)) == (4 * forward, 4 * backward)


def test_without_gradients_autocast_reads_the_copies_that_it_keeps() -> None:
    """48 inputs of four bytes, 85 weights and 15 outputs of two; in training the weights themselves."""
    layer, given = nn.Linear(16, 5), torch.randn(3, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        (kept,) = record(layer, lambda: layer(given)).calls
    with torch.autocast("cpu", dtype=torch.bfloat16):  # as every step of training enters it
        (trained,) = record(layer, lambda: layer(given)).calls
    assert forward_bytes(kept) == 4 * 48 + 2 * 85 + 2 * 15
    assert forward_bytes(trained) == 4 * 48 + 4 * 85 + 2 * 15


def test_bytes_of_a_forward_are_those_of_its_operators() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 5))
    with torch.no_grad():
        calls = record(module, lambda: module(torch.randn(2, 3, 8, 8))).calls
    operators = step_bytes(module, of_shape(2, 3, 8, 8), training=False)
    assert operators is not None
    assert sum(map(forward_bytes, calls)) == operators["forward"]


def measured_layers(module: nn.Module, given: Tensor) -> list[Measurement]:
    case = Case(model="planted", workload="training")
    return time_layers(case, module, steps_of(module, given), engines.get("eager"), CPU, FEW, [])


def test_gradients_apart_are_those_that_the_network_asks_for() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.Flatten()
    )
    module.append(nn.Linear(6 * 9, 5))
    measured = measured_layers(module, torch.randn(2, 3, 8, 8))
    apart = {(m.layer and m.layer.name, m.metric) for m in measured if "gradient" in m.metric}
    assert {m.phase for m in measured if "gradient" in m.metric} == {"backward"}
    assert apart == {
        ("0", gradients.WEIGHT),
        ("0", gradients.JOINT),
        ("2", gradients.INPUT),
        ("2", gradients.WEIGHT),
        ("2", gradients.JOINT),
        ("4", gradients.INPUT),
        ("4", gradients.WEIGHT),
    }
    assert all(len(m.samples) >= 3 for m in measured if "gradient" in m.metric)


def test_the_operators_timed_apart_compute_the_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the tensors of a real step in the place of random ones the operators give what autograd gives."""
    part, given = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), image(2, 4, 9, 9)
    call = calls_of(part, given)
    assert call.gradient is not None
    assert part.bias is not None
    result = part(given)
    back = torch.randn_like(result)
    expected = torch.autograd.grad(result, [given, part.weight, part.bias], back)
    real = iter([given.detach(), part.weight.detach(), back])
    monkeypatch.setattr(gradients, "_random_like", lambda tensor, dtype, where: next(real))
    operators = gradients._convolution(call, "cpu")
    found: dict[str, Any] = {metric: operator() for metric, operator in operators.items()}
    torch.testing.assert_close(found[gradients.INPUT][0], expected[0])
    torch.testing.assert_close(found[gradients.WEIGHT][1], expected[1])
    for joint, wanted in zip(found[gradients.JOINT], expected, strict=True):
        torch.testing.assert_close(joint, wanted)
    assert found[gradients.INPUT][1] is None
    assert found[gradients.WEIGHT][0] is None


def test_a_search_for_algorithms_does_not_decide_how_many_rounds_a_layer_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first call takes 5 s, in which a layer of 20 ms has had its second: it still has all ten rounds."""
    device = FakeCuda(first_call_seconds=5.0)
    planted = {gradients.INPUT: partial(device.launch, 1e-5, 20 * MS)}
    monkeypatch.setattr(gradients, "_operators", lambda calls, where: planted)
    call = calls_of(nn.Conv2d(3, 4, 3), image(2, 3, 8, 8))
    ((_, found),) = gradients.separate_gradient_times([call], device)
    assert found[gradients.INPUT].samples == pytest.approx([20 * MS] * 10)


@pytest.mark.parametrize(("seconds", "rounds"), [(0.09, 5), (1.0, 3)])
def test_a_layer_that_takes_long_has_fewer_rounds(
    seconds: float, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second in all, of which half goes to what shields the measured calls; three at least."""
    device = FakeCuda()
    planted = {gradients.INPUT: partial(device.launch, 5 * MS, seconds)}
    monkeypatch.setattr(gradients, "_operators", lambda calls, where: planted)
    call = calls_of(nn.Conv2d(3, 4, 3), image(2, 3, 8, 8))
    ((_, found),) = gradients.separate_gradient_times([call], device)
    assert len(found[gradients.INPUT].samples) == rounds


class _SlowEvents(FakeCuda):
    """A pair of events adds 1.5 us of its own, as on a GPU."""

    def record(self) -> Event:
        found = super().record()
        self.occupy(1.5e-6)
        return found


def test_a_short_gradient_is_averaged_over_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20 us a pair of events would add a thirteenth."""
    device = _SlowEvents()
    planted = {gradients.INPUT: partial(device.launch, 5e-6, 20e-6)}
    monkeypatch.setattr(gradients, "_operators", lambda calls, where: planted)
    call = calls_of(nn.Conv2d(3, 4, 3), image(2, 3, 8, 8))
    ((_, found),) = gradients.separate_gradient_times([call], device)
    samples, repeats = found[gradients.INPUT]
    assert repeats == 5
    assert samples == pytest.approx([20e-6] * 10, rel=0.02)


def test_gradients_apart_are_timed_on_a_chip_that_is_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeCuda(cool_speed=1.02)
    planted = {gradients.INPUT: partial(device.launch, 1 * MS, 8 * MS)}
    monkeypatch.setattr(gradients, "_operators", lambda calls, where: planted)
    call = calls_of(nn.Conv2d(3, 4, 3), image(2, 3, 8, 8))
    ((_, found),) = gradients.separate_gradient_times([call], device)
    samples = found[gradients.INPUT].samples
    assert samples == pytest.approx([8 * MS] * len(samples), rel=1e-4)


@pytest.mark.parametrize("format_", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_random_operands_have_the_layout_and_dtype_of_the_real_ones(
    format_: torch.memory_format, dtype: torch.dtype
) -> None:
    real = torch.empty(2, 3, 4, 5, device="meta").to(memory_format=format_)
    random = gradients._random_like(real, dtype, "cpu")
    assert (random.shape, random.stride(), random.dtype) == (real.shape, real.stride(), dtype)


def test_under_autocast_the_gradients_are_of_what_really_comes_back() -> None:
    part, given = nn.Conv2d(3, 4, 3), torch.randn(2, 3, 8, 8)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            result = part(given)
        result.float().sum().backward()

    call = record(nn.Sequential(part), run).calls[0]
    assert call.gradient is not None
    assert call.gradient.dtype == torch.bfloat16
    assert call.inputs[0].dtype == torch.float32


@pytest.mark.parametrize("workload", ["inference", "training"])
def test_the_steps_of_a_workload_fall_into_layers(workload: str) -> None:
    """Every layer of LeNet-5 has a row in forward and, in training, those that compute one in backward."""
    from bench import workloads
    from models.load import load

    case = Case(model="lenet5", workload=workload, image=28, channels=1, classes=10)  # type: ignore[arg-type]
    network = load(case.model, channels=1, image=28, classes=10)
    steps = workloads.workloads()[case.workload].prepare(network, case, engines.get("eager"), "cpu")
    found = MarkedSteps(network.module, steps, CPU).time()
    names = [name for name, _ in network.module.named_children()]
    assert [p.layer.name for p in found if p.part == "forward" and p.layer.kind] == names
    back = [p.layer.name for p in found if p.part == "backward" and p.layer.kind]
    assert back == (names[::-1] if workload == "training" else [])
    assert (LayerPart("optimizer", UPDATE) in found) is (workload == "training")
