"""Steps with planted durations on the fake device: what the harness measures of them is known beforehand."""

from __future__ import annotations

from collections.abc import Callable

from bench.contracts.steps import Call, Steps
from bench.devices.fake import FakeDevice
from bench.schema.phases import Phase

MS = 1e-3
PHASES: tuple[Phase, ...] = ("forward", "backward", "optimizer")


def nothing() -> None:
    """For `setup`, where a step needs no preparation."""


def launches(device: FakeDevice, host: float, busy: float) -> Call:
    """A call that costs the host `host` seconds and the device `busy` seconds."""
    return lambda: device.launch(host, busy)


def planted(
    device: FakeDevice,
    costs: tuple[tuple[float, float], ...],
    *,
    step_costs: tuple[tuple[float, float], ...] | None = None,
    synchronises: bool = False,
    check: Callable[[], str | None] = lambda: None,
) -> Steps:
    """A training step of (host seconds, device seconds) for each phase.

    step_costs    what the whole step really does, where it is not the phases one after the other
    synchronises  the step waits for the device in its middle, before its last phase
    """
    calls = [launches(device, *cost) for cost in costs]
    whole = [launches(device, *cost) for cost in step_costs or costs]

    def step() -> None:
        for index, call in enumerate(whole):
            if synchronises and index == len(whole) - 1:
                device.synchronise()
            call()

    return Steps(
        setup=nothing,
        step=step,
        whole_phase="step",
        phases=tuple(zip(PHASES, calls, strict=False)),
        synchronises=synchronises,
        why_invalid=check,
        warnings=list,
        tensors=dict,
    )
