"""Bytes moved against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench.child.passes import bytes_moved
from bench.probes.traffic import step_bytes
from bench.schema.case import Case, Workload
from models.blocks import block
from models.build import build
from models.catalogue import MODELS
from models.closed_form import cost
from models.network import Arguments
from tests.planted.call_styles import styles
from tests.planted.planted_arguments import of_shape

FP32, HALF, INDEX = 4, 2, 8
"""Bytes of an element; max pooling writes the places of the maxima as 64-bit integers."""


def forward(module: nn.Module, shape: tuple[int, ...]) -> int:
    found = step_bytes(module, of_shape(*shape), training=False)
    assert found is not None
    assert list(found) == ["forward"]
    return found["forward"]


def test_a_convolution_reads_images_and_weights_and_writes_its_output() -> None:
    given, weight, bias, output = 2 * 3 * 8 * 8, 5 * 3 * 3 * 3, 5, 2 * 5 * 6 * 6
    assert forward(nn.Conv2d(3, 5, 3), (2, 3, 8, 8)) == FP32 * (given + weight + bias + output)


def test_a_linear_layer_reads_its_weights_once_for_the_batch() -> None:
    assert forward(nn.Linear(7, 5), (2, 7)) == FP32 * (2 * 7 + 7 * 5 + 5 + 2 * 5)


@pytest.mark.parametrize("inplace", [False, True])
def test_a_relu_reads_and_writes_in_place_too(inplace: bool) -> None:
    assert forward(nn.ReLU(inplace), (2, 3, 4, 4)) == 2 * FP32 * (2 * 3 * 4 * 4)


def test_views_move_nothing() -> None:
    assert forward(nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 16)), nn.Flatten(0)), (2, 3, 4, 4)) == 0


class Parts(nn.Module):
    def forward(self, given: Tensor) -> Tensor:
        one, other = given.chunk(2, dim=1)
        return one * one + other


def test_two_parts_of_a_tensor_are_two_and_one_part_twice_is_one() -> None:
    half = 2 * 4
    assert forward(Parts(), (2, 8)) == FP32 * (2 * half + 3 * half)


def test_both_gradients_of_a_convolution_read_what_they_need() -> None:
    given, weight, bias, output = 2 * 3 * 8 * 8, 5 * 3 * 3 * 3, 5, 2 * 5 * 6 * 6
    found = step_bytes(nn.Conv2d(3, 5, 3), of_shape(2, 3, 8, 8), training=True, input_gradient=True)
    assert found == {
        "forward": FP32 * (given + weight + bias + output),
        # reads the gradient of the output, the input and the weight; writes the three gradients
        "backward": FP32 * ((output + given + weight) + (given + weight + bias)),
        "optimizer": 5 * FP32 * (weight + bias),
    }


def test_the_gradient_of_images_is_not_written_unless_asked_for() -> None:
    images = of_shape(2, 3, 8, 8)
    with_it, without = (
        step_bytes(nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten()), images, training=True, input_gradient=one)
        for one in (True, False)
    )
    assert with_it is not None
    assert without is not None
    classes = 5 * 6 * 6
    # cross-entropy: log_softmax reads and writes scores, its backward reads two and writes one ...
    assert without["forward"] - with_it["forward"] > 2 * FP32 * 2 * classes
    # ... nll_loss writes a gradient of all scores; what is saved is the gradient of the images
    more = without["backward"] - (with_it["backward"] - FP32 * 2 * 3 * 8 * 8)
    assert 4 * FP32 * 2 * classes <= more <= 6 * FP32 * 2 * classes


def test_alexnet_moves_what_its_layers_do() -> None:
    network = cost(MODELS["alexnet"], batch=4)
    given = 4 * 3 * 224 * 224
    want = 0
    for layer in network.layers:
        if layer.kind not in ("flatten", "dropout"):
            want += FP32 * (given + layer.parameters + layer.activations)
        if layer.kind == "maxpool":
            want += INDEX * layer.activations
        given = layer.activations
    assert forward(build(MODELS["alexnet"]), (4, 3, 224, 224)) == want


def test_under_autocast_tensors_are_half_and_kept_weights_are_not_cast_again() -> None:
    images, rest = 2 * 7, 7 * 5 + 5 + 2 * 5
    # the images are cast at every call: read as fp32, written as bf16
    cast = (FP32 + HALF) * images
    found = step_bytes(nn.Linear(7, 5), of_shape(2, 7), training=False, precision="amp-bf16")
    assert found == {"forward": cast + HALF * (images + rest)}


def test_training_under_autocast_casts_the_weights_at_every_step() -> None:
    weights, images, output = 7 * 5 + 5, 2 * 7, 2 * 5
    found = step_bytes(
        nn.Linear(7, 5), of_shape(2, 7), training=True, precision="amp-bf16", input_gradient=True
    )
    assert found is not None
    assert found["forward"] == (FP32 + HALF) * (images + weights) + HALF * (images + weights + output)


def test_half_precision_weights_move_half() -> None:
    whole, half = (
        step_bytes(nn.Linear(7, 5).to(dtype), of_shape(2, 7, dtype=dtype), training=False)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert whole is not None
    assert half is not None
    assert whole["forward"] == 2 * half["forward"]


class Below(nn.Sequential):
    """Runs its first layer without gradients."""

    def forward(self, given: Tensor) -> Tensor:
        with torch.no_grad():
            features = self[0](given)
        result: Tensor = self[1](features)
        return result


def test_the_optimizer_moves_the_weights_that_backward_reaches() -> None:
    network = Below(nn.Linear(4, 8), nn.Linear(8, 5))
    found = step_bytes(network, of_shape(3, 4), training=True, classes=5)
    assert found["optimizer"] == 5 * FP32 * (8 * 5 + 5)


STYLES = dict(styles())


@pytest.mark.parametrize(
    "style", ["Small", "Keywords", "DirectForward", "Unregistered", "Tuple", "Dict", "Dataclass"]
)
def test_layers_move_the_same_however_they_are_called(style: str) -> None:
    """The convolution, the mean and the linear layer."""
    images, maps, means, scores = 8 * 3 * 256, 8 * 8 * 256, 8 * 8, 8 * 10
    conv = images + (216 + 8) + maps
    linear = means + (80 + 10) + scores
    found = step_bytes(STYLES[style], of_shape(8, 3, 16, 16), training=False)
    assert found["forward"] == FP32 * (conv + (maps + means) + linear)


class LooksAtValues(nn.Linear):
    def forward(self, given: Tensor) -> Tensor:
        return super().forward(given) if given.sum().item() == 0 else given


class Routed(nn.Linear):
    """Every row takes the way through the layer, which only its values tell."""

    def forward(self, given: Tensor) -> Tensor:
        rows = (given == given).all(1).nonzero().flatten()
        return super().forward(given[rows])


def test_a_module_that_looks_at_values_computes_itself() -> None:
    module = LooksAtValues(3, 5)
    given, weights = Arguments((torch.zeros(2, 3),)), 3 * 5 + 5
    moved = step_bytes(module, given, training=True)
    looked = FP32 * (2 * 3 + 1) + FP32  # the sum, and its one number that is read
    linear = FP32 * (2 * 3 + weights + 2 * 5)
    assert moved["forward"] >= looked + linear
    assert moved["optimizer"] == 5 * FP32 * weights
    assert all(parameter.grad is None for parameter in module.parameters())
    routed = step_bytes(Routed(3, 5), given, training=True)
    assert routed["optimizer"] == 5 * FP32 * weights
    assert routed["backward"] > 0


@pytest.mark.slow
def test_a_module_is_left_as_it_was() -> None:
    module = build(MODELS["vgg11-bn"], image=32, classes=10)
    held = {name: value.clone() for name, value in module.state_dict().items()}
    assert step_bytes(module, of_shape(2, 3, 32, 32), training=True)
    assert all(torch.equal(held[name], value) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert module.training


@pytest.mark.parametrize(
    ("model", "workload", "phases"),
    [
        ("lenet5", "inference", ["forward"]),
        ("lenet5", "training", ["forward", "backward", "optimizer"]),
        ("block:8:3x3", "training", ["forward", "backward", "optimizer"]),
    ],
)
def test_a_record_has_them_by_phase(model: str, workload: Workload, phases: list[str]) -> None:
    arch = MODELS.get(model) or block(model)
    case = Case(model=model, workload=workload, image=28, channels=arch.channels, classes=10)
    images = of_shape(1, arch.channels, 28, 28)
    moved = bytes_moved(case, build(arch, image=28, classes=10), images)
    assert [fact.phase for fact in moved] == phases
    assert all(fact.unit == "bytes" and fact.samples[0] > 0 for fact in moved)


@pytest.mark.cuda
def test_a_gpu_moves_what_a_processor_does() -> None:
    """Of a network whose operators are the same on both."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))
    on_cpu, on_gpu = (
        step_bytes(network.to(device), of_shape(2, 3, 8, 8), training=True, precision="amp-bf16")
        for device in ("cpu", "cuda")
    )
    assert on_cpu == on_gpu
