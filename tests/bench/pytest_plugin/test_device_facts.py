"""What extra_info says of a GPU, by fakes: nothing here has run on one."""

from __future__ import annotations

import pytest
from msgspec import structs

from bench.contracts.steps import Steps
from bench.devices.fake import FakeDevice
from bench.pytest_plugin import device_facts
from bench.pytest_plugin.ready_step import ReadyStep
from bench.schema.case import Case, MeasurementProtocol
from bench.schema.gpu_identity import Gpu

HOST, DEVICE = 0.001, 0.004
PROTOCOL = MeasurementProtocol(
    warmup_steps=1, warmup_seconds=0.0, warmup_limit_seconds=0.01, min_samples=7, max_samples=7
)
GPU = Gpu(
    name="NVIDIA H100 PCIe",
    memory_bytes=80 * 2**30,
    capability="9.0",
    driver="550.1",
    cuda="12.8",
    cudnn="9.1",
    uuid="GPU-1",
    power_limit_watts=350.0,
)


class PlantedGpu(FakeDevice):
    """A fake that the driver knows."""

    traits = structs.replace(FakeDevice.traits, has_datasheet=True)

    def accelerator(self) -> Gpu:
        return GPU


def ready(device: FakeDevice, host: float = HOST) -> ReadyStep:
    def step() -> None:
        device.launch(host, DEVICE)

    steps = Steps(
        setup=lambda: None,
        step=step,
        whole_phase="forward",
        phases=(),
        synchronises=False,
        why_invalid=lambda: None,
        warnings=list,
        tensors=dict,
    )
    case = Case(model="lenet5", device="cuda")
    return ReadyStep(
        case=case,
        device=device,
        steps=steps,
        baseline=0,
        parameters=0,
        count=dict,
        read_back=lambda: {"conv": "ieee", "matmul": "ieee"},
    )


def test_the_devices_own_time_stands_beside_the_walls() -> None:
    taken = ready(PlantedGpu()).timed("forward", PROTOCOL)
    found = device_facts.by_other_clocks(taken, "forward")
    assert found["device_time"] == pytest.approx(DEVICE)
    assert found["host_time"] == pytest.approx(HOST)
    assert found["device_time_interval"] == pytest.approx((DEVICE, DEVICE))
    assert not [each for each in taken.warnings if each.label == "launch-bound"]


def test_a_gpu_that_waits_for_python_is_launch_bound() -> None:
    taken = ready(PlantedGpu(), host=2 * DEVICE).timed("forward", PROTOCOL)
    assert "launch-bound" in [each.label for each in taken.warnings]


def test_a_processor_has_one_clock() -> None:
    taken = ready(FakeDevice(asynchronous=False)).timed("forward", PROTOCOL)
    assert device_facts.by_other_clocks(taken, "forward") == {}
    assert device_facts.gpu_of(FakeDevice()) == {}


def test_driver_and_power_cap_are_those_of_the_case() -> None:
    found = device_facts.gpu_of(PlantedGpu())
    assert (found["driver"], found["power_limit_watts"], found["uuid"]) == ("550.1", 350.0, "GPU-1")
    assert "locked_clocks_mhz" not in found


def test_the_peak_of_a_gpu_is_its_datasheets() -> None:
    peak = device_facts.peak_of(ready(PlantedGpu()))
    assert peak["peak_source"] == "datasheet"
    assert 10e12 < peak["peak_flops_per_second"] < 100e12  # fp32 without tensor cores
