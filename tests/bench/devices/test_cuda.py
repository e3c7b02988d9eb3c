"""What torch.cuda is asked for, over a simulated GPU and a planted driver."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from bench import engines
from bench.child.layers.marked import MarkedSteps
from bench.contracts.steps import Call, Steps
from bench.devices import cuda
from bench.devices.cuda import Cuda
from bench.probes import memory
from bench.schema.case import MeasurementProtocol
from bench.timing import latency
from tests.planted.fake_cuda import REPLAY_SECONDS, FakeCuda
from tests.planted.fake_nvml import FakeGpu, FakeNvml
from tests.planted.planted_steps import MS, planted

PROTOCOL = MeasurementProtocol(warmup_seconds=0.1, sampling_seconds=5.0)


def on_a_gpu(gpu: FakeCuda, step: Call) -> Steps:
    return replace(planted(gpu, ()), step=step)


def test_a_device_has_one_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeCuda().install(monkeypatch, FakeGpu())
    assert device.queue() is device.queue()


def test_a_marked_step_that_is_launch_bound_spins_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeCuda()
    device = gpu.install(monkeypatch, FakeGpu())
    module = nn.Identity()
    step = replace(on_a_gpu(gpu, lambda: gpu.launch(3 * MS, 1 * MS)), whole_phase="forward")
    marked = MarkedSteps(module, step, device)
    gpu.spins.clear()
    for _ in range(10):
        assert sum(marked.time().values()) == pytest.approx(1 * MS)
    assert gpu.spins == pytest.approx([1.5 * 3 * MS] * 10)


@pytest.mark.parametrize(
    ("max_clocks", "seen"),
    [((1980, 2619), [345]), ("Not Supported", [345, 1980]), ("Not Supported", [1980, 1000])],
)
def test_a_spin_lasts_at_least_as_long_as_asked(
    monkeypatch: pytest.MonkeyPatch, max_clocks: object, seen: list[int]
) -> None:
    """The clock is low when the rate is found out, or falls, or is not told; at work it is 1980 MHz."""
    clocks = iter([1980, *seen])  # the first spin loads the kernel
    gpu = FakeCuda()
    queue = gpu.install(
        monkeypatch, FakeGpu(sm_clock=lambda: next(clocks, 1980), max_clocks=max_clocks)
    ).queue()
    queue.occupy(1 * MS)
    queue.occupy(10 * MS)
    assert gpu.spins[-1] == pytest.approx(10 * MS)


def test_a_spin_is_timed_by_the_clock_of_the_gpu_that_it_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """`measure` follows a module to whichever GPU of the process it lies on."""
    gpu, slow, fast = FakeCuda(), FakeGpu(), FakeGpu("GPU-22222222-bbbb", max_clocks=(2 * 1980, 2619))
    current = slow
    device = gpu.install(monkeypatch, slow)
    monkeypatch.setattr(cuda, "open_nvml", lambda: FakeNvml((slow, fast)))
    monkeypatch.setattr(Cuda, "uuid", lambda device: current.uuid().removeprefix("GPU-"))
    device.queue().occupy(10 * MS)
    current = fast
    device.queue().occupy(10 * MS)
    assert gpu.spins[-1] == pytest.approx(2 * 10 * MS), "in seconds of the planted clock of 1980 MHz"


def test_a_captured_step_takes_what_its_kernels_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call, which cannot be captured, comes before; a replay costs the host microseconds."""
    gpu = FakeCuda(first_call_seconds=2.0)
    device = gpu.install(monkeypatch, FakeGpu())

    def step() -> None:
        for _ in range(3):
            gpu.launch(1 * MS, 0.5 * MS)

    replayed = engines.get("cudagraph").fuse(on_a_gpu(gpu, step))
    found = latency.time_steps(replayed, device, PROTOCOL)
    times = {m.metric: m.samples for m in found.measurements if m.unit == "s"}
    assert times["device_time"] == pytest.approx([1.5 * MS] * 20, rel=1e-6)
    assert times["host_time"] == pytest.approx([REPLAY_SECONDS] * 20)
    assert found.warnings == []


def test_a_step_that_waits_for_the_device_cannot_be_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeCuda()
    gpu.install(monkeypatch, FakeGpu())

    def step() -> None:
        gpu.launch(1 * MS, 1 * MS)
        gpu.synchronise()

    with pytest.raises(RuntimeError, match="stream is capturing"):
        engines.get("cudagraph").fuse(on_a_gpu(gpu, step))


def test_the_allocators_peaks_are_those_of_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """1000 bytes for the model; before the pass 5000 more for a moment, in a step 300."""
    gpu = FakeCuda()
    device = gpu.install(monkeypatch, FakeGpu())
    gpu.allocate(6000)
    gpu.allocate(-5000)

    def step() -> None:
        gpu.allocate(300)
        gpu.allocate(-300)

    found = memory.memory_pass(replace(on_a_gpu(gpu, step), whole_phase="forward"), device, baseline=0)
    peaks = {m.metric: m.samples for m in found if m.metric.startswith("peak_")}
    assert peaks == {metric: [1300] for metric in ("peak_allocated", "peak_requested", "peak_reserved")}
