"""The fake device refuses what CUDA refuses, so that a test can fail where a GPU would."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import pytest
import torch

from bench.devices.fake import Event, FakeDevice
from tests.planted.fake_cuda import REPLAY_SECONDS, WARM_SECONDS, FakeCuda
from tests.planted.planted_steps import MS

ASKS: dict[str, Callable[[FakeDevice], object]] = {
    "launch": lambda device: device.launch(1 * MS, 1 * MS),
    "synchronise": lambda device: device.synchronise(),
    "record": lambda device: device.record(),
    "occupy": lambda device: device.occupy(1 * MS),
    "allocate": lambda device: device.allocate(1),
    "reset_peak": lambda device: device.reset_peak(),
    "read_memory": lambda device: device.read_memory(),
    "free_memory": lambda device: device.free_memory(),
    "release_memory": lambda device: device.release_memory(),
}


def in_a_fork(call: Callable[[], object]) -> str:
    """What the call raises in a forked child, or `fine`."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def child() -> None:
        try:
            call()
        except RuntimeError as error:
            theirs.send(str(error))
        else:
            theirs.send("fine")

    process = context.Process(target=child)
    process.start()
    answer = str(ours.recv())
    process.join()
    return answer


@pytest.mark.parametrize("ask", ASKS)
def test_a_fork_of_the_process_that_began_cannot_use_the_device(ask: str) -> None:
    device = FakeDevice()
    assert in_a_fork(lambda: ASKS[ask](device)) == "fine"
    ASKS[ask](device)
    assert in_a_fork(lambda: ASKS[ask](device)) == "Cannot re-initialize CUDA in forked subprocess"


def test_what_says_only_what_kind_of_device_it_is_does_not_begin_it() -> None:
    """What the parent and the fork server ask must leave the children's device alone."""
    device = FakeDevice()
    device.clock(), device.queue(), device.why_absent(), device.accelerator(), device.memory_baseline()
    assert in_a_fork(device.synchronise) == "fine"


def test_an_event_can_be_asked_once_it_was_recorded_and_has_happened() -> None:
    device = FakeDevice()
    start = device.record()
    device.launch(1 * MS, 5 * MS)
    end = device.record()
    with pytest.raises(RuntimeError, match="must be completed"):
        device.elapsed(start, end)
    with pytest.raises(ValueError, match="must be recorded"):
        device.elapsed(start, Event(device))
    device.synchronise()
    assert device.elapsed(start, end) == pytest.approx(6 * MS)
    with pytest.raises(RuntimeError, match="invalid resource handle"):
        FakeDevice().elapsed(start, end)


def test_a_peak_can_be_read_once_it_was_reset() -> None:
    device = FakeDevice()
    device.allocate(100)
    with pytest.raises(RuntimeError, match="never reset"):
        device.read_peak()
    device.reset_peak()
    assert device.read_peak() == {"peak_allocated": 100}


def warm(device: FakeCuda) -> FakeCuda:
    device.launch(0.0, 1 * MS)
    device.synchronise()
    return device


def test_what_is_captured_runs_when_it_is_replayed() -> None:
    device = warm(FakeCuda())
    with device.capture() as graph:
        device.launch(2 * MS, 3 * MS)
        device.launch(2 * MS, 4 * MS)
    start = device.record()
    graph.replay()
    end = device.record()
    device.synchronise()
    assert device.elapsed(start, end) == pytest.approx(7 * MS + REPLAY_SECONDS)


@pytest.mark.parametrize(
    "ask",
    [
        lambda device, event: device.synchronise(),
        lambda device, event: device.done(event),
        lambda device, event: device.elapsed(event, event),
        lambda device, event: device.reset_peak(),
        lambda device, event: device.release_memory(),
        lambda device, event: device.capture().__enter__(),
    ],
    ids=["synchronise", "done", "elapsed", "reset_peak", "release_memory", "capture"],
)
def test_nothing_that_waits_can_be_captured(ask: Callable[[FakeCuda, Event], object]) -> None:
    """It is refused, and the capture is lost although the program goes on."""
    device = warm(FakeCuda())
    event = device.record()

    def refused() -> None:
        with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
            ask(device, event)

    with pytest.raises(RuntimeError, match="previous error"), device.capture():
        refused()


def test_a_first_call_cannot_be_captured() -> None:
    device = FakeCuda()
    with pytest.raises(RuntimeError, match="stream is capturing"), device.capture():
        device.launch(1 * MS, 1 * MS)


def test_an_event_of_a_capture_has_no_time() -> None:
    device = warm(FakeCuda())
    with device.capture():
        event = device.record()
    with pytest.raises(RuntimeError, match="recorded in a capture"):
        device.done(event)


def test_a_first_call_is_dear_once() -> None:
    device = FakeCuda(first_call_seconds=5.0)
    device.launch(1 * MS, 1 * MS)
    assert device.now == pytest.approx(5 + 1 * MS)
    device.launch(1 * MS, 1 * MS)
    assert device.now == pytest.approx(5 + 2 * MS)


def test_a_library_keeps_its_workspace_until_it_is_told_to_let_go() -> None:
    device = FakeCuda(workspace_bytes=32)
    device.launch(0.0, 0.0)
    device.launch(0.0, 0.0)
    assert device.allocated == 32
    device.free_library_workspace()
    device.free_library_workspace()
    assert device.allocated == 0
    device.launch(0.0, 0.0)
    assert device.allocated == 32


def test_memory_runs_out_where_it_is_planted() -> None:
    device = FakeCuda(capacity_bytes=100, peak_limit_bytes=50)
    device.allocate(40)
    device.reset_peak()
    assert device.read_peak() == {"peak_allocated": 40}
    assert device.free_memory() == 60
    device.allocate(20)
    with pytest.raises(torch.OutOfMemoryError):
        device.read_peak()
    with pytest.raises(torch.OutOfMemoryError):
        device.allocate(41)
    assert device.allocated == 60


def seconds_after(device: FakeCuda, before: Callable[[], None]) -> float:
    device.synchronise()
    before()
    start = device.record()
    device.launch(0.0, 1 * MS)
    end = device.record()
    device.synchronise()
    return device.elapsed(start, end)


def test_a_chip_that_has_rested_or_spun_is_faster_than_one_that_has_worked() -> None:
    device = FakeCuda(cool_speed=1.02)
    assert seconds_after(device, lambda: device.occupy(WARM_SECONDS)) == pytest.approx(1 * MS / 1.02)
    assert seconds_after(device, lambda: device.launch(0.0, 10 * MS)) == pytest.approx(1 * MS)
    assert seconds_after(device, lambda: None) == pytest.approx(1 * MS)
    assert seconds_after(device, lambda: device.occupy(WARM_SECONDS / 2)) == pytest.approx(1 * MS / 1.01)
