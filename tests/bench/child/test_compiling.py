"""What counts as compiling, and what is known of the compiled code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from msgspec import structs
from torch import Tensor, nn
from torch._inductor import async_compile, config
from torch.fx.experimental.proxy_tensor import make_fx

from bench import devices, engines
from bench.child import compiling, worker
from bench.contracts.device import Traits
from bench.contracts.steps import Steps
from bench.devices.fake import FakeDevice
from bench.forkserver.client import Server
from bench.host import environment
from bench.probes import casting, compiled_part
from bench.probes.compiled_part import CompiledPart
from bench.probes.graph_casts import GraphCasts
from bench.runner.attempt import attempt
from bench.runner.preload import preload
from bench.schema.case import Case, Layout, MeasurementProtocol
from bench.schema.case_warnings import CaseWarning
from bench.schema.job import ColdCompile, Job
from bench.schema.record import Record, find
from bench.studies.max_batch.batch_search import MEMORY_ONLY
from bench.tensors import case_context
from models.network import Network

CASE = Case(model="planted", engine="compile", batch=4, image=8, channels=1, classes=10)
TIMED = MeasurementProtocol(warmup_steps=1, warmup_seconds=0, min_samples=2, max_samples=2, energy_seconds=0)
SEARCH, COMPILATION, STEP = 5.0, 2.0, 0.001


class Dear(nn.Module):
    """Costs a search for each new shape, as cuDNN does, and runs out of memory where that is planted."""

    def __init__(self, device: FakeDevice, runs_out_at: int = -1) -> None:
        super().__init__()
        self._layer = nn.Linear(64, 10)
        self._device, self._runs_out_at = device, runs_out_at
        self._known: set[torch.Size] = set()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self._runs_out_at:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self._device.launch(0, STEP if x.shape in self._known else SEARCH)
        self._known.add(x.shape)
        outputs: Tensor = self._layer(x.flatten(1))
        return outputs


class Pool:
    """In the place of Inductor's processes."""

    def __init__(self, made: list[str]) -> None:
        made.append("pool")

    def submit(self, task: Callable[[], object]) -> Future[None]:
        return Future()


class Compiling:
    """An engine whose first call compiles; else it is eager."""

    name = "compile"
    compiles = True
    replays_graphs = False

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self._graphs = 0

    def wrap(self, module: nn.Module, tuning: str = "") -> Any:
        self._graphs = 0

        def forward(x: Tensor) -> Tensor:
            if not self._graphs:
                self._device.launch(COMPILATION, 0)
                async_compile.AsyncCompile.wakeup()  # as Inductor does where an input is on a GPU
                self._graphs = 1
            outputs: Tensor = module(x)
            return outputs

        return forward

    def fuse(self, steps: Steps) -> Steps:
        return steps

    def warnings(self, case: Case, traits: Traits) -> list[CaseWarning]:
        return []

    def observe(self) -> Mapping[str, int]:
        return {"compiled_graphs": self._graphs, "graph_breaks": 0, "cache_hits": 0}


@pytest.fixture
def pools() -> list[str]:
    """What was made to compile in other processes."""
    return []


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, pools: list[str]) -> Iterator[FakeDevice]:
    """The device of every case."""
    device, real = FakeDevice(asynchronous=False), engines.get
    compiler = Compiling(device)
    monkeypatch.setattr(engines, "get", lambda name: compiler if name == "compile" else real(name))
    monkeypatch.setattr(devices, "get", lambda name: device)
    monkeypatch.setattr(async_compile.AsyncCompile, "process_pool", cache(lambda: Pool(pools)))
    # The profiler sees the calls of torch's compiled code alone.
    monkeypatch.setattr(
        compiled_part, "profile_step", lambda steps: CompiledPart(calls=1, products=1, eager={})
    )
    with config.patch(compile_threads=4):
        yield device


def job_of(protocol: MeasurementProtocol = TIMED, **changes: Any) -> Job:
    case = structs.replace(CASE, **changes)
    return Job(case=case, protocol=protocol, environment=environment.describe())


def run(monkeypatch: pytest.MonkeyPatch, device: FakeDevice, module: Dear, job: Job) -> Record:
    monkeypatch.setattr(worker, "load_network", lambda *given, **named: Network(module))
    return worker.run(job, device)[0]


def compile_seconds(record: Record) -> float:
    found = find(record.measurements, "model", "compile_warm")
    assert found is not None
    return found.samples[0]


@pytest.mark.parametrize("workload", ["inference", "training"])
def test_what_any_engine_pays_once_is_no_compile_time(
    monkeypatch: pytest.MonkeyPatch, device: FakeDevice, workload: str
) -> None:
    job = job_of(workload=workload)
    record = run(monkeypatch, device, Dear(device), job)
    assert compile_seconds(record) == pytest.approx(COMPILATION + STEP)


def test_nor_is_it_in_the_process_with_the_empty_cache(
    monkeypatch: pytest.MonkeyPatch, device: FakeDevice
) -> None:
    monkeypatch.setattr(worker, "load_network", lambda *given, **named: Network(Dear(device)))
    cold = msgspec.json.decode(worker.compile_cold(msgspec.json.encode(job_of())), type=ColdCompile)
    assert cold.seconds == pytest.approx(COMPILATION + STEP)


def test_a_compiled_step_that_needs_less_memory_than_an_eager_one_is_measured(
    monkeypatch: pytest.MonkeyPatch, device: FakeDevice
) -> None:
    """The first call is the eager step."""
    record = run(monkeypatch, device, Dear(device, runs_out_at=1), job_of())
    assert record.status == "ok"
    assert compile_seconds(record) == pytest.approx(COMPILATION + SEARCH)
    assert [warning.label for warning in record.warnings] == ["incomplete"]
    assert "no memory for an eager step" in record.warnings[0].detail


def test_where_only_memory_is_measured_no_eager_step_takes_any(
    monkeypatch: pytest.MonkeyPatch, device: FakeDevice
) -> None:
    """Else it would decide which batch fits."""
    record = run(monkeypatch, device, Dear(device), job_of(MEMORY_ONLY))
    assert compile_seconds(record) == pytest.approx(COMPILATION + SEARCH)


def test_on_the_host_no_step_goes_before() -> None:
    """Its memory is counted for the whole process, and what is left of an eager step would be in the peak."""
    module = Dear(FakeDevice())
    assert compiling.step_eagerly(job_of(), Network(module), devices.get("cpu")) == []
    assert module.calls == 0


def test_an_eager_step_leaves_no_memory_behind(device: FakeDevice) -> None:
    """Neither gradients nor, in the outer autocast of inference, casts of the weights."""
    module = Dear(device)
    compiling.step_eagerly(job_of(workload="training"), Network(module), device)
    assert all(parameter.grad is None for parameter in module.parameters())
    job = job_of(precision="amp-bf16")
    with case_context(job.case, "cpu"):
        compiling.step_eagerly(job, Network(module), device)
        images = torch.randn(4, 1, 8, 8)
        assert casting.count_eager_casts(lambda: module(images)) == 3  # images, weight, bias


def test_no_pool_of_processes_is_made_where_all_comes_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, device: FakeDevice, pools: list[str]
) -> None:
    """Where the cache is empty it is, as in anybody's program."""
    monkeypatch.setattr(worker, "load_network", lambda *given, **named: Network(Dear(device)))
    worker.compile_cold(msgspec.json.encode(job_of()))
    assert pools == ["pool"]
    pools.clear()
    async_compile.shutdown_compile_workers()
    assert run(monkeypatch, device, Dear(device), job_of()).status == "ok"
    assert pools == []


def graph_of(inputs: int, outputs: int, layout: torch.memory_format) -> torch.fx.Graph:
    """A convolution's, traced for no real device, of which Inductor thinks as of a GPU."""
    images = torch.empty(4, inputs, 16, 16, device="meta").to(memory_format=layout)
    weight = torch.empty(outputs, inputs, 3, 3, device="meta")
    traced = make_fx(nn.functional.conv2d, tracing_mode="fake")(images, weight)
    return traced.graph


@pytest.mark.parametrize(
    ("channels", "given", "layout"),
    [
        (128, torch.contiguous_format, "channels-last"),
        (128, torch.channels_last, "channels-last"),
        (8, torch.contiguous_format, "nchw"),
        (8, torch.channels_last, "channels-last"),
    ],
)
def test_the_layout_of_compiled_convolutions_is_inductors_choice(
    channels: int, given: torch.memory_format, layout: Layout
) -> None:
    """In training, where it leaves a network of few channels as it is."""
    seen = GraphCasts(is_inference=False)
    seen(graph_of(channels, channels, given))
    assert seen.conv_layout == layout


def test_a_graph_without_a_convolution_has_no_layout() -> None:
    seen = GraphCasts(is_inference=True)
    seen(make_fx(torch.relu, tracing_mode="fake")(torch.empty(2, 2, device="meta")).graph)
    assert seen.conv_layout is None


@pytest.mark.slow
def test_a_record_says_how_compiled_convolutions_ran(tmp_path: Path) -> None:
    """On a CPU Inductor always lays them out channels-last. The layout comes from the first process, and the
    second, whose cache is filled, knows it all the same."""
    case = Case(model="lenet5", engine="compile", image=28, channels=1, classes=10)
    with Server(preload=preload([case])) as server:
        record = attempt(case, MEMORY_ONLY, environment.describe(), tmp_path, server)
    assert record.status == "ok", record.reason
    assert record.effective.machine["conv_layout"] == "channels-last"
    assert (
        CaseWarning("conv-layout", "torch.compile ran the convolutions in channels-last") in record.warnings
    )
