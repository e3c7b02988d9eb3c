"""Memory against hand counts: distinct storages, what autograd keeps, planted peaks, the kernel's peak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.contracts.steps import Call, Steps
from bench.devices import get
from bench.devices.fake import FakeDevice
from bench.engines import get as engine
from bench.probes import memory
from bench.probes.memory import storage_bytes
from bench.schema.case import Case
from bench.schema.phases import Phase
from bench.schema.record import Measurement
from bench.workloads import workloads
from models.network import Network
from tests.planted.planted_steps import nothing, planted

MB = 10**6
CASE = Case(model="tiny", workload="training", batch=2, image=4, channels=1, classes=3)

Phases = tuple[tuple[Phase, Call], ...]


def found(measured: list[Measurement]) -> dict[tuple[str, str], float]:
    assert all(m.unit == "bytes" for m in measured)
    values = {(m.phase, m.metric): m.samples for m in measured}
    assert len(values) == len(measured)
    return {key: samples[0] for key, samples in values.items()}


def tiny() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))


def steps_of(module: nn.Module, case: Case = CASE) -> Steps:
    return workloads()[case.workload].prepare(Network(module), case, engine("eager"), "cpu")


def test_views_and_shared_weights_count_once() -> None:
    base = torch.zeros(10, 10)
    other = torch.zeros(5, dtype=torch.float16)
    assert storage_bytes([]) == 0
    assert storage_bytes([base]) == 400
    assert storage_bytes([base, base.t(), base[3:], base.view(100), nn.Parameter(base)]) == 400
    assert storage_bytes([base[9], other]) == 400 + 10
    assert storage_bytes([torch.zeros(0), base]) == 400


def test_sizes_by_kind_of_a_training_step() -> None:
    device = FakeDevice(asynchronous=False)
    steps = steps_of(tiny())
    values = found(memory.memory_pass(steps, device, 0))
    weights = 4 * (2 * 9 + 2 + 32 * 3 + 3)
    assert values["model", "weights"] == weights
    assert values["model", "gradients"] == weights
    assert values["model", "optimizer_state"] == weights
    assert values["model", "buffers"] == 0
    assert values["model", "inputs"] == 4 * 2 * 16 + 8 * 2


def test_saved_activations_by_hand() -> None:
    """ReLU keeps its output (the linear layer keeps a view of it), cross-entropy the log of the softmax and
    the sum of its weights; images, labels and weights are alive anyway."""
    relu, log_softmax, total_weight = 4 * 2 * (2 * 4 * 4), 4 * 2 * 3, 4
    values = found(memory.memory_pass(steps_of(tiny()), FakeDevice(asynchronous=False), 0))
    assert values["forward", "saved_activations"] == relu + log_softmax + total_weight


def test_saved_activations_grow_with_the_batch_and_inference_has_none() -> None:
    saved = [
        found(memory.memory_pass(steps_of(tiny(), replace_batch(batch)), FakeDevice(asynchronous=False), 0))[
            "forward", "saved_activations"
        ]
        for batch in (2, 4, 8)
    ]
    assert saved[2] - saved[1] == 2 * (saved[1] - saved[0])
    inference = Case(model="tiny", batch=2, image=4, channels=1, classes=3)
    values = found(memory.memory_pass(steps_of(tiny(), inference), FakeDevice(asynchronous=False), 0))
    assert {metric for _, metric in values} == {"weights", "buffers", "inputs", "peak_allocated"}


def test_activations_at_the_address_of_a_freed_gradient_are_counted() -> None:
    """`setup` frees the gradients, and the allocator gives their place to what forward keeps."""
    steps = steps_of(tiny())
    grabbed: list[Tensor] = [torch.zeros(1000)]
    given = grabbed[0].untyped_storage()

    class Keep(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(torch.zeros(0).set_(given, 0, (1000,)))  # type: ignore[call-overload]
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient

    x = torch.zeros(1, requires_grad=True)
    held: list[Tensor] = []
    reused = replace(
        steps,
        setup=grabbed.clear,
        phases=(("forward", lambda: held.append(Keep.apply(x))), ("backward", held.clear)),
        tensors=lambda: {"gradients": list(grabbed)},
    )
    values = found(memory.memory_pass(reused, FakeDevice(asynchronous=False), 0))
    assert values["forward", "saved_activations"] == 4000


def replace_batch(batch: int) -> Case:
    return Case(model="tiny", workload="training", batch=batch, image=4, channels=1, classes=3)


def test_planted_peaks_of_each_phase_and_of_the_step() -> None:
    """100 before the model, 1000 for it; forward keeps 300, backward needs 500 more for a moment."""
    device = FakeDevice()
    device.allocate(100)
    baseline = device.memory_baseline()
    device.allocate(1000)

    def forward() -> None:
        device.allocate(300)

    def backward() -> None:
        device.allocate(500)
        device.allocate(-800)

    phases: Phases = (
        ("forward", forward),
        ("backward", backward),
        ("optimizer", nothing),
    )
    steps = replace(planted(device, ()), phases=phases)
    values = found(memory.memory_pass(steps, device, baseline))
    assert values == {
        ("forward", "saved_activations"): 0,
        ("forward", "peak_allocated"): 1300,
        ("backward", "peak_allocated"): 1800,
        ("optimizer", "peak_allocated"): 1000,
        ("step", "peak_allocated"): 1800,
    }


def test_a_peak_before_the_pass_does_not_count() -> None:
    device = FakeDevice()
    device.allocate(10_000)
    device.allocate(-10_000)
    values = found(
        memory.memory_pass(replace(planted(device, ()), whole_phase="forward", step=nothing), device, 0)
    )
    assert values["forward", "peak_allocated"] == 0


class Caching(FakeDevice):
    """An allocator whose reserve has grown, and that has retried, before the pass."""

    def __init__(self) -> None:
        super().__init__()
        self.cached, self.retries = 10_000, 3

    def release_memory(self) -> None:
        self.cached = self.retries = 0

    def read_peak(self) -> dict[str, int]:
        return {"peak_reserved": self.peak + self.cached}

    def read_memory(self) -> dict[str, int]:
        return {"allocation_retries": self.retries}


class Allocating(FakeDevice):
    def read_peak(self) -> dict[str, int]:
        return {"peak_allocated": 1, "peak_requested": 1, "peak_reserved": 2}


def test_a_replayed_graph_has_no_peak_of_allocations() -> None:
    steps = replace(planted(FakeDevice(), ()), whole_phase="forward", step=nothing)
    replayed = memory.memory_pass(steps, Allocating(), 0, replays_graphs=True)
    assert {m.metric for m in replayed} == {"peak_reserved"}
    assert len(memory.memory_pass(steps, Allocating(), 0)) == 3


def test_what_autotuning_left_in_the_allocator_does_not_count() -> None:
    steps = replace(planted(FakeDevice(), ()), whole_phase="forward", step=nothing)
    values = {m.metric: m.samples for m in memory.memory_pass(steps, Caching(), 0)}
    assert values == {"peak_reserved": [0], "allocation_retries": [0]}


def test_cuda_gives_its_cache_back_before_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for name in ("synchronize", "empty_cache", "reset_accumulated_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda name=name: called.append(name))
    get("cuda").release_memory()
    assert called == ["synchronize", "empty_cache", "reset_accumulated_memory_stats"]


def holding(size: int) -> Callable[[], None]:
    def call() -> None:
        block = torch.ones(size // 4)
        del block

    return call


@pytest.mark.slow
def test_the_kernels_peak_shows_an_allocation_in_its_own_phase() -> None:
    """400 MB for a moment in backward; the other phases differ from before by what Python itself takes."""
    device = get("cpu")
    size = 400 * MB
    phases: Phases = (
        ("forward", nothing),
        ("backward", holding(size)),
        ("optimizer", nothing),
    )
    steps = replace(planted(FakeDevice(), ()), phases=phases)
    holding(size)()
    values = found(memory.memory_pass(steps, device, device.memory_baseline()))
    # `saved_activations` has run all phases once before, so the allocator's own growth is over.
    assert values["backward", "peak_resident"] == pytest.approx(size, rel=0.03)
    assert values["step", "peak_resident"] == values["backward", "peak_resident"]
    assert values["forward", "peak_resident"] < 0.02 * size
    assert values["optimizer", "peak_resident"] < 0.02 * size


def test_memory_that_stays_counts_in_every_later_phase() -> None:
    device = get("cpu")
    kept: list[Tensor] = []
    size = 200 * MB

    def keep() -> None:
        kept[:] = [torch.ones(size // 4)]

    phases: Phases = (
        ("forward", nothing),
        ("backward", keep),
        ("optimizer", kept.clear),
    )
    steps = replace(planted(FakeDevice(), ()), phases=phases)
    values = found(memory.memory_pass(steps, device, device.memory_baseline()))
    assert values["optimizer", "peak_resident"] == pytest.approx(size, rel=0.05)
    assert values["forward", "peak_resident"] < 0.05 * size


def test_the_pass_leaves_the_steps_as_they_were() -> None:
    """One step for the saved activations and one for the peaks, each with its own forward."""
    counts = {"forward": 0, "backward": 0, "optimizer": 0, "before": 0}

    def counting(name: str) -> Callable[[], None]:
        def call() -> None:
            counts[name] += 1

        return call

    steps = replace(
        planted(FakeDevice(), ()),
        setup=counting("before"),
        phases=tuple((name, counting(name)) for name in ("forward", "backward", "optimizer")),
    )
    memory.memory_pass(steps, FakeDevice(), 0)
    assert set(counts.values()) == {2}
