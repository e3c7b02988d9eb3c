"""Kernels get their layers' names: from planted profiles, as torch.profiler would hand them over."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import DeviceType

from bench import devices, engines, workloads
from bench.child.layers import profiled
from bench.child.layers.layer_calls import LayerCall
from bench.child.layers.layer_pass import time_layers
from bench.child.layers.profiled import _layers_of, _on_cpu, _on_gpu, _Work
from bench.child.layers.recorded import record
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.layer_phases import Layer
from models.load import load

pytestmark = pytest.mark.slow


def event(
    name: str,
    start: float,
    end: float,
    parent: Any = None,
    own: float | None = None,
    shapes: Sequence[Sequence[int]] = (),
    launched: Sequence[tuple[str, float]] = (),
    annotation: bool = False,
    device: DeviceType = DeviceType.CPU,
) -> Any:
    """What is read of a FunctionEvent; times in microseconds, `own` without its children."""
    return SimpleNamespace(
        name=name,
        time_range=SimpleNamespace(start=start, end=end),
        cpu_time_total=end - start,
        self_cpu_time_total=end - start if own is None else own,
        cpu_parent=parent,
        device_type=device,
        is_user_annotation=annotation,
        input_shapes=shapes,
        kernels=[SimpleNamespace(name=each, duration=us) for each, us in launched],
    )


def profile_of_forward() -> list[Any]:
    """100 us, of which a convolution takes 50 with what it calls, and a fused kernel 30."""
    phase = event("convbench forward", 0, 100, annotation=True)
    region = event("Torch-Compiled Region: 0/0", 5, 95, phase, own=10)
    convolution = event("aten::convolution", 10, 60, region, own=5, launched=[("pack", 3)])
    inner = event("aten::mkldnn_convolution", 12, 57, convolution, launched=[("sm90_fprop", 40)])
    fused = event("graph_0_cpp_fused_convolution_relu_0", 60, 90, region, launched=[("triton_poi_fused", 6)])
    annotated = event("## Call ##", 91, 92, region, own=1, launched=[("Torch-Compiled Region: 0/0", 90)])
    region.is_user_annotation = True
    return [phase, region, convolution, inner, fused, annotated]


def found(works: Sequence[_Work]) -> list[tuple[str, float, bool]]:
    return [(work.name, round(work.seconds * 1e6, 3), work.dims is not None) for work in works]


def test_on_a_processor_the_works_are_all_of_the_phase() -> None:
    works = list(_on_cpu(profile_of_forward(), "forward"))
    assert found(works) == [
        ("aten::convolution", 50, True),
        ("graph_0_cpp_fused_convolution_relu_0", 30, False),
        ("between layers", 20, False),
    ]


def test_on_a_gpu_a_product_has_all_the_kernels_that_it_launched() -> None:
    """And a region that the profiler repeats on the device's side is no kernel."""
    works = list(_on_gpu(profile_of_forward(), "forward", kind=DeviceType.CUDA))
    assert found(works) == [("aten::convolution", 43, True), ("triton_poi_fused", 6, False)]


def test_on_a_gpu_a_replayed_graph_is_its_kernels() -> None:
    """They are no operator's, and stand in the profile on the device's side alone."""
    phase = event("convbench step", 0, 100, annotation=True)
    copied = event("aten::copy_", 5, 10, phase, launched=[("Memcpy DtoD", 6)])
    cuda = DeviceType.CUDA
    ran = [
        event("Memcpy DtoD", 12, 18, device=cuda),
        event("sm90_fprop", 20, 50, device=cuda),
        event("sm90_fprop", 50, 60, device=cuda),
        event("relu", 60, 65, device=cuda),
        event("convbench step", 12, 65, device=cuda, annotation=True),
        event("relu", 120, 130, device=cuda),
    ]
    works = list(_on_gpu([phase, copied, *ran], "step", kind=DeviceType.CUDA))
    assert found(works) == [("Memcpy DtoD", 6, False), ("sm90_fprop", 40, False), ("relu", 5, False)]


def test_on_a_gpu_a_call_of_the_runtime_has_no_kernels() -> None:
    """torch 2.11 gives it those of the operator whose number it has."""
    phase = event("convbench forward", 0, 100, annotation=True)
    relu = event("aten::relu", 5, 10, phase, launched=[("relu", 6)])
    waited = event("cudaDeviceSynchronize", 10, 90, phase, launched=[("relu", 6)])
    assert found(list(_on_gpu([phase, relu, waited], "forward", kind=DeviceType.CUDA))) == [
        ("relu", 6, False)
    ]


NETWORK = nn.Sequential(
    nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
)


def calls() -> list[LayerCall]:
    made = record(NETWORK, lambda: NETWORK(torch.randn(2, 3, 8, 8))).calls
    return [call for call in made if call.weight is not None]


def product(name: str, *dims: int) -> _Work:
    return _Work(name, 1.0, frozenset(dims))


def names(phase: str, *products: _Work) -> list[str | None]:
    return [layer.name if layer else None for layer in _layers_of(phase, calls(), products)]


def test_forward_runs_in_the_order_of_the_network() -> None:
    products = [product("aten::convolution")] * 2 + [product("aten::addmm")] * 2
    assert names("forward", *products) == ["0", "1", "3", "5"]
    assert names("forward", *products[1:]) == [None] * 3, "one is missing, and which is not known"


class Beside(nn.Module):
    """Multiplies before and after a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.weight = nn.Linear(8, 8), nn.Parameter(torch.eye(8))

    def forward(self, given: Tensor) -> Any:
        return self.layer(given @ self.weight) @ self.weight


def test_products_of_no_layer_have_the_name_of_the_module_that_multiplies() -> None:
    network = Beside()
    made = record(network, lambda: network(torch.randn(2, 8))).calls
    products = [product("aten::mm"), product("aten::addmm"), product("aten::mm")]
    found = _layers_of("forward", made, products)
    assert [layer.name if layer else None for layer in found] == ["Beside", "layer", "Beside"]


def test_backward_finds_convolutions_by_order_and_linear_layers_by_their_sizes() -> None:
    convolution = product("aten::convolution_backward")
    first, second = product("aten::mm", 2, 64, 32), product("aten::mm", 2, 32, 10)
    moved = [second, first, second, first, convolution, convolution]
    assert names("backward", *moved) == ["5", "3", "5", "3", "1", "0"]
    assert names("backward", convolution, product("aten::mm", 7, 8)) == [None, None]


def test_backward_does_not_tell_linear_layers_of_the_same_sizes_apart() -> None:
    network = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 5))
    made = record(network, lambda: network(torch.randn(2, 8))).calls
    products = [product("aten::mm", 2, 8, 5), product("aten::mm", 2, 8), product("aten::mm", 2, 8)]
    found = _layers_of("backward", made, products)
    assert [layer.name if layer else None for layer in found] == ["2", None, None]


def test_of_a_step_in_one_piece_no_product_is_told() -> None:
    assert names("step", *[product("aten::convolution")] * 4) == [None] * 4


@pytest.mark.cuda
@pytest.mark.parametrize("engine", ["eager", "compile"])
def test_on_a_gpu_the_layers_add_up_to_the_step(engine: str) -> None:
    cuda = devices.get("cuda")
    case = Case(model="alexnet", workload="training", device="cuda", engine=engine, batch=32)
    cuda.prepare(case)
    profiled.show_kernels()
    network = load(case.model, channels=3, image=224, classes=1000, device="cuda")
    steps = workloads.workloads()["training"].prepare(network, case, engines.get(engine), "cuda")
    for _ in range(5):
        steps.setup()
        steps.step()
    few = MeasurementProtocol(min_samples=8, max_samples=16)
    measured = time_layers(case, network.module, steps, engines.get(engine), cuda, few, [])
    by_name = {(m.phase, m.layer, m.metric): m.samples for m in measured}
    ratios = sorted(by_name["layers", None, "sum_over_whole"])
    # the profiler sees kernels and not the gaps between them
    assert (0.95 if engine == "eager" else 0.8) < ratios[len(ratios) // 2] < 1.05
    conv = Layer("conv2", "Conv2d 64->192, 5x5")
    assert min(by_name["forward", conv, "layer_time"]) > 0
