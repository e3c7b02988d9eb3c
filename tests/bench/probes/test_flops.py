"""Three counts of every network agree, and disagreements are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from msgspec import structs
from torch import nn
from torch.utils import flop_counter

from bench.child.network_flops import by_operator, count_models
from bench.probes.flops import FlopCounts, OperatorFlops, compare, count_flops, step_flops
from bench.probes.meta_modules import count_parameters
from bench.schema.counts import CountRequest, CountResult
from models.build import build
from models.catalogue import MODELS
from models.closed_form import cost, smallest_image
from tests.planted.planted_arguments import of_shape


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "larger_by", "classes", "batch"), [(3, 0, 10, 1), (2, 7, 5, 3)])
def test_three_counts_of_every_network_agree(
    name: str, channels: int, larger_by: int, classes: int, batch: int
) -> None:
    image = smallest_image(MODELS[name]) + larger_by
    request = CountRequest(model=name, channels=channels, image=image, classes=classes, batch=batch)
    closed = cost(MODELS[name], channels=channels, image=image, classes=classes, batch=batch)
    (result,) = count_models([request])
    assert result.disagreements == ()
    assert result.flops_fvcore == result.flops_torch_forward == closed.flops_forward
    assert result.flops_torch_backward == closed.flops_backward


@pytest.mark.slow
def test_what_one_counter_counts_alone_is_listed_by_name() -> None:
    requests = [
        CountRequest(model=name, channels=3, image=224, classes=10, batch=2)
        for name in ("alexnet", "vgg11-bn")
    ]
    alexnet, vgg = count_models(requests)
    assert alexnet.uncompared == {"fvcore adaptive_avg_pool2d": 2 * 256 * 6 * 6}
    normalised = [row for row in cost(MODELS["vgg11-bn"], batch=2).layers if row.kind == "batchnorm"]
    assert vgg.uncompared == {"fvcore batch_norm": 2 * sum(row.activations for row in normalised)}


def convolutions(found: FlopCounts) -> tuple[int, int]:
    """Torch's FLOPs of convolutions, forward and backward."""
    assert found.torch_forward
    assert found.torch_backward
    return found.torch_forward.convolution, found.torch_backward.convolution


def grouped() -> nn.Conv2d:
    return nn.Conv2d(8, 12, 3, groups=4)


def test_torchs_fault_with_grouped_convolutions_is_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    convolution_backward = torch.ops.aten.convolution_backward
    right = 2 * (5 * 12 * 6 * 6) * (8 // 4) * 9
    found = count_flops(grouped(), of_shape(5, 8, 8, 8))
    assert convolutions(found) == (right, right)

    def without_the_fault(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        return right

    monkeypatch.setitem(flop_counter.flop_registry, convolution_backward, without_the_fault)
    assert convolutions(count_flops(grouped(), of_shape(5, 8, 8, 8)))[1] == right

    def with_another(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        return 3 * right + 1

    monkeypatch.setitem(flop_counter.flop_registry, convolution_backward, with_another)
    assert convolutions(count_flops(grouped(), of_shape(5, 8, 8, 8)))[1] == 3 * right + 1


@pytest.mark.parametrize(
    "second", [nn.Conv2d(12, 6, 3, groups=3), nn.ConvTranspose2d(12, 6, 3, groups=3), nn.Conv2d(12, 6, 3)]
)
def test_both_gradients_of_a_convolution_cost_what_its_forward_does(second: nn.Module) -> None:
    first = convolutions(count_flops(grouped(), of_shape(5, 8, 8, 8)))[1]
    forward, backward = convolutions(count_flops(nn.Sequential(grouped(), second), of_shape(5, 8, 8, 8)))
    assert forward > first
    assert backward == first + 2 * (forward - first)


def test_a_disagreement_is_a_sentence() -> None:
    closed = by_operator(cost(MODELS["lenet5"]))
    agreeing = FlopCounts(fvcore=closed[0], torch_forward=closed[0], torch_backward=closed[1])
    assert compare(closed, agreeing) == []
    off_by_one = OperatorFlops(convolution=closed[0].convolution + 1, products=closed[0].products)
    assert compare(closed, structs.replace(agreeing, fvcore=off_by_one)) == [
        "fvcore counts 715,201 FLOPs of convolutions in the forward pass, the closed form 715,200"
    ]
    alone = FlopCounts(fvcore=None, torch_forward=off_by_one, torch_backward=off_by_one)
    assert len(compare(closed, alone)) == 3


def test_a_step_is_counted_without_touching_the_module() -> None:
    module = build(MODELS["alexnet-grouped"], image=99, classes=10)
    held = {name: value.clone() for name, value in module.state_dict().items()}
    closed = cost(MODELS["alexnet-grouped"], image=99, classes=10, batch=64)
    batch = of_shape(64, 3, 99, 99)
    assert step_flops(module, batch, training=True, classes=10) == (
        closed.flops_forward,
        closed.flops_backward,
    )
    assert step_flops(module, batch, training=False, classes=10) == (closed.flops_forward, 0)
    assert all(torch.equal(held[name], value) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert module.training


def test_half_precision_is_counted_alike() -> None:
    module = build(MODELS["lenet5"]).half()
    closed = cost(MODELS["lenet5"])
    assert step_flops(module, of_shape(1, 1, 28, 28, dtype=torch.float16), training=True, classes=10) == (
        closed.flops_forward,
        closed.flops_backward,
    )


class LooksAtValues(nn.Linear):
    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return super().forward(given) if given.sum().item() == 0 else given


def test_a_module_that_looks_at_values_is_counted_where_it_is() -> None:
    module = LooksAtValues(3, 5)
    assert step_flops(module, of_shape(2, 3), training=True, classes=5) == (60, 60)
    found = count_flops(module, of_shape(2, 3)).torch_forward
    assert found
    assert found.products == 2 * 2 * 3 * 5
    assert module.training
    assert module.weight.grad is None


def test_shared_parameters_are_counted_once() -> None:
    shared = nn.Linear(4, 4)
    module = nn.Sequential(nn.Conv1d(2, 3, 5), shared, nn.ReLU(), shared, nn.BatchNorm1d(6))
    found = count_parameters(module)
    assert (found.total, found.convolution, found.linear) == (33 + 20 + 12, 33, 20)


def count(model: str, image: int, batch: int = 1) -> CountResult:
    return count_models([CountRequest(model=model, channels=3, image=image, classes=1000, batch=batch)])[0]


@pytest.mark.slow
def test_a_foreign_network_is_counted_from_its_layers() -> None:
    result = count("torchvision:resnet18", 224)
    assert result.cost is not None
    # As torchvision's weights metadata has them: 11,689,512 parameters, 1.814 G multiply-accumulates.
    assert result.cost.parameters == 11_689_512
    assert round(result.cost.macs / 1e9, 3) == 1.814
    assert result.disagreements == ()
    assert result.flops_fvcore == result.flops_torch_forward == result.cost.flops_forward
    assert result.flops_torch_backward == result.cost.flops_backward


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn"])
def test_torchvisions_network_costs_what_ours_does(name: str) -> None:
    ours = cost(MODELS[name.replace("_", "-")], batch=2)
    theirs = count(f"torchvision:{name}", 224, batch=2).cost
    assert theirs is not None
    for field in (
        "parameters",
        "parameters_conv",
        "parameters_linear",
        "macs",
        "flops_backward",
        "activations",
    ):
        assert getattr(theirs, field) == getattr(ours, field), field
    want = [(row.kind, row.window, row.output_shape, row.macs) for row in ours.layers if row.macs]
    assert [(row.kind, row.window, row.output_shape, row.macs) for row in theirs.layers if row.macs] == want


def test_what_cannot_be_counted_is_told_and_the_rest_is_counted(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def raises(): raise ValueError('no such depth')\n"
        "def wide(): return nn.Conv2d(64, 1, 1)\n"
    )
    specs = [f"{tmp_path}/net.py:raises", f"{tmp_path}/net.py:wide", "vgg16", "alexnett", "alexnet"]
    results = count_models(
        [
            CountRequest(model=spec, channels=3, image=24 if spec == "vgg16" else 64, classes=10)
            for spec in specs
        ]
    )
    errors = [result.error or "" for result in results]
    words = [
        "ValueError: no such depth",
        "cannot be called with an input of 1x3x64x64 float32: --input names another shape, ",
        "32x32",
        "'alexnet'",
    ]
    assert all(word in error for word, error in zip(words, errors, strict=False))
    assert errors[-1] == ""
    assert results[-1].flops_fvcore is not None


def test_requests_and_results_travel_as_json() -> None:
    results = [count("torchvision:squeezenet1_1", 64), count("vgg16", 8)]
    assert msgspec.json.decode(msgspec.json.encode(results), type=list[CountResult]) == results
