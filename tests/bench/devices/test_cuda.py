"""What torch.cuda is asked for, over a simulated GPU and a planted driver."""

from __future__ import annotations

import pytest
from torch import nn

from bench.child.layers.marked import MarkedSteps
from bench.contracts.steps import Steps
from tests.planted.fake_cuda import FakeCuda
from tests.planted.fake_nvml import FakeGpu
from tests.planted.planted_steps import MS, nothing


def test_a_device_has_one_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeCuda().install(monkeypatch, FakeGpu())
    assert device.queue() is device.queue()


def test_a_marked_step_that_is_launch_bound_spins_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeCuda()
    device = gpu.install(monkeypatch, FakeGpu())
    module = nn.Identity()
    step = Steps(
        setup=nothing,
        step=lambda: gpu.launch(3 * MS, 1 * MS),
        whole_phase="forward",
        phases=(),
        synchronises=False,
        why_invalid=lambda: None,
        warnings=list,
        tensors=dict,
    )
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
