"""What is made of NVML's answers: planted clocks, slowdowns, fields that are missing, a GPU that is lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pynvml
import pytest

from bench.contracts.monitor import NoWork, WindowReadings
from bench.host import nvml, nvml_driver
from bench.host.gpu_clocks import ClockMonitor
from bench.host.nvml import POWER_CAP, THERMAL, UnreadableError, by_torch_uuid, state
from bench.schema.case_warnings import CaseWarning
from tests.planted.fake_nvml import MILLISECOND, FakeGpu, FakeNvml, no_driver

UUID = "11111111-aaaa"
HARDWARE_THERMAL, SOFTWARE_POWER_CAP, IDLE = 0x40, 0x04, 0x01


class Working(NoWork):
    """Work that goes on for as long as anyone looks."""

    def goes_on(self) -> bool:
        return True


def watch(gpu: FakeGpu, seconds: float = 1.0, change: Callable[[], None] = lambda: None) -> WindowReadings:
    """The facts of one window of that length, in which `change` happens."""
    clock = itertools.count(0.0, seconds)
    monitor = ClockMonitor(lambda: FakeNvml((gpu,)), UUID, clock=lambda: next(clock))
    monitor.before()
    change()
    monitor.end()
    return monitor.after(Working())


def figures(facts: WindowReadings) -> dict[str, tuple[float, str]]:
    assert {m.phase for m in facts.measurements} <= {"window"}
    return {m.metric: (m.samples[0], m.unit) for m in facts.measurements}


def test_a_healthy_window() -> None:
    facts = watch(FakeGpu())
    assert figures(facts) == {
        "sm_clock": (1980.0, "MHz"),
        "memory_clock": (2619.0, "MHz"),
        "power": (412.5, "W"),
        "temperature": (61.0, "Celsius"),
        "software_power_cap_share": (0.0, "1"),
        "thermal_slowdown_share": (0.0, "1"),
        "power_cap_at_work": (0.0, "1"),
    }
    assert (facts.labels, facts.disturbed, facts.usable) == ((), None, True)


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (pynvml.nvmlClocksThrottleReasonHwSlowdown, "hardware slowdown"),
        (pynvml.nvmlClocksThrottleReasonHwThermalSlowdown, "hardware thermal slowdown"),
        (pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown, "hardware power brake"),
        (pynvml.nvmlClocksThrottleReasonSwThermalSlowdown, "software thermal slowdown"),
    ],
)
@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_slowdown_at_either_end_makes_the_window_unusable(bit: int, name: str, at_the_end: bool) -> None:
    gpu = FakeGpu(bits=0 if at_the_end else bit)
    facts = watch(gpu, change=lambda: setattr(gpu, "bits", bit if at_the_end else 0))
    assert facts.disturbed == CaseWarning("slowdown", f"the GPU lowered its clocks ({name})")
    assert not facts.usable


@pytest.mark.parametrize(
    "bit",
    [
        pynvml.nvmlClocksThrottleReasonGpuIdle,
        pynvml.nvmlClocksThrottleReasonApplicationsClocksSetting,
        pynvml.nvmlClocksThrottleReasonSyncBoost,
        pynvml.nvmlClocksThrottleReasonDisplayClockSetting,
        pynvml.nvmlClocksThrottleReasonSwPowerCap,
    ],
)
def test_other_reasons_leave_the_window_usable(bit: int) -> None:
    facts = watch(FakeGpu(bits=bit))
    assert (facts.disturbed, facts.usable) == (None, True)


def test_a_power_cap_is_noted() -> None:
    facts = watch(FakeGpu(bits=SOFTWARE_POWER_CAP | IDLE))
    assert facts.labels == (CaseWarning("power-cap", "the GPU ran at its power limit"),)


@pytest.mark.parametrize(("milliseconds", "usable"), [(0, True), (9, True), (11, False), (1000, False)])
def test_a_slowdown_between_the_ends_is_in_the_drivers_counter(milliseconds: int, usable: bool) -> None:
    """Of a window of one second 1% may be slowed; what was counted before the window is not its fault."""
    long_ago = 10**12
    gpu = FakeGpu(held={POWER_CAP: 5, THERMAL: long_ago})
    later = {POWER_CAP: 5, THERMAL: long_ago + milliseconds * MILLISECOND}
    facts = watch(gpu, change=lambda: setattr(gpu, "held", later))
    assert facts.usable == usable
    assert figures(facts)["thermal_slowdown_share"][0] == pytest.approx(milliseconds / 1000)


def test_a_capped_share_is_a_share_of_the_windows_own_length() -> None:
    gpu = FakeGpu()
    capped = {POWER_CAP: 1000 * MILLISECOND, THERMAL: 0}
    facts = watch(gpu, seconds=4.0, change=lambda: setattr(gpu, "held", capped))
    assert figures(facts)["software_power_cap_share"] == (0.25, "1")
    assert facts.labels == (CaseWarning("power-cap", "the GPU ran at its power limit"),)


def test_fields_that_a_gpu_lacks_are_left_out_and_named_once_with_the_reason() -> None:
    gpu = FakeGpu(power="Not Supported", held="Not Supported", temperature="Insufficient Permissions")
    monitor = ClockMonitor(lambda: FakeNvml((gpu,)), UUID)
    monitor.end()
    first, second = monitor.after(Working()), monitor.after(Working())
    assert set(figures(first)) == {"sm_clock", "memory_clock", "power_cap_at_work"}
    assert set(first.labels) == {
        CaseWarning("unmonitored", "NVML does not say power watts, reason nanoseconds: Not Supported"),
        CaseWarning("unmonitored", "NVML does not say temperature celsius: Insufficient Permissions"),
    }
    assert second.labels == ()
    assert second.usable


def test_without_the_counter_the_ends_still_show_a_slowdown() -> None:
    assert not watch(FakeGpu(held="Not Supported", bits=HARDWARE_THERMAL)).usable


def test_a_machine_without_nvml_is_measured_all_the_same() -> None:
    monitor = ClockMonitor(no_driver, UUID)
    monitor.before()
    monitor.end()
    facts = monitor.after(Working())
    assert (facts.measurements, facts.disturbed, facts.usable) == ((), None, True)
    (label,) = facts.labels
    assert label.label == "unmonitored"
    assert label.detail.endswith(": NVML Shared Library Not Found")


def test_a_gpu_that_is_lost_half_way_leaves_nothing_but_its_reason() -> None:
    gpu = FakeGpu()

    def lose() -> None:
        for reading in ("sm_clock", "memory_clock", "power", "temperature", "bits", "held"):
            setattr(gpu, reading, "GPU is lost")

    facts = watch(gpu, change=lose)
    assert facts.measurements == ()
    assert len(facts.labels) == 1
    assert facts.labels[0].detail.endswith(": GPU is lost")


def test_what_is_absent_is_none_with_a_reason_and_never_zero() -> None:
    seen = state(FakeGpu(power="Not Supported"))
    assert (seen.power_watts, seen.absent) == (None, {"power_watts": "Not Supported"})
    assert seen.sm_clock_mhz == 1980


def test_torchs_uuid_is_of_a_gpu_or_of_a_mig_instance() -> None:
    other, board = FakeGpu(gpu_uuid="GPU-22222222-bbbb"), FakeGpu()
    driver = FakeNvml((board, other), instances={"MIG-33333333-cccc": board})
    assert by_torch_uuid(driver, "22222222-bbbb") is other
    assert by_torch_uuid(driver, "33333333-cccc") is board
    with pytest.raises(UnreadableError, match="Not Found"):
        by_torch_uuid(driver, "44444444-dddd")


def test_a_bit_that_has_no_name_yet_is_no_reason() -> None:
    assert nvml.reasons(0x41) == ("hardware thermal slowdown",)
    assert nvml.reasons(1 << 40) == ()


def answers(monkeypatch: pytest.MonkeyPatch, **planted: Any) -> None:
    """Functions of pynvml that return these values, whatever the handle; a name pynvml lacks is an error."""
    for name, value in planted.items():
        monkeypatch.setattr(pynvml, name, lambda *given, value=value: value)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[nvml.Nvml]:
    """The real probe over a pynvml whose functions answer as planted."""
    nvml_driver._load.cache_clear()
    instant = pynvml.c_nvmlFieldValue_t()
    instant.valueType, instant.value.uiVal = pynvml.NVML_VALUE_TYPE_UNSIGNED_INT, 412_500
    answers(
        monkeypatch,
        nvmlInit=None,
        nvmlSystemGetDriverVersion="580.65.06",
        nvmlSystemGetCudaDriverVersion_v2=12_080,
        nvmlDeviceGetCount=1,
        nvmlDeviceGetHandleByIndex="handle",
        nvmlDeviceGetUUID="GPU-1",
        nvmlDeviceGetName="NVIDIA H100",
        nvmlDeviceGetTemperature=61,
        nvmlDeviceGetCurrentClocksEventReasons=0x44,
        nvmlDeviceGetFieldValues=[instant],
        nvmlDeviceGetPowerUsage=99_000,
        nvmlDeviceGetComputeRunningProcesses=[pynvml.c_nvmlProcessInfo_v2_t(pid=42)],
        nvmlDeviceGetPowerManagementLimit=350_000,
        nvmlDeviceGetPowerManagementDefaultLimit=700_000,
        nvmlDeviceGetPersistenceMode=1,
        nvmlDeviceGetMigMode=[0, 1],
    )
    clocks = {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619}
    monkeypatch.setattr(pynvml, "nvmlDeviceGetClockInfo", lambda handle, kind: clocks[kind])
    held = {pynvml.NVML_PERF_POLICY_POWER: 7, pynvml.NVML_PERF_POLICY_THERMAL: 9}
    monkeypatch.setattr(
        pynvml,
        "nvmlDeviceGetViolationStatus",
        lambda handle, policy: pynvml.c_nvmlViolationTime_t(violationTime=held[policy]),
    )
    yield nvml_driver.open_nvml()
    nvml_driver._load.cache_clear()  # the real NVML was not loaded


def test_the_drivers_units_become_ours(driver: nvml.Nvml) -> None:
    assert (driver.driver_version(), driver.cuda_version()) == ("580.65.06", "12.8")
    (gpu,) = driver.gpus()
    assert (gpu.uuid(), gpu.name()) == ("GPU-1", "NVIDIA H100")
    assert (gpu.sm_clock_mhz(), gpu.memory_clock_mhz()) == (1980, 2619)
    assert (gpu.power_watts(), gpu.temperature_celsius()) == (412.5, 61)
    assert nvml.reasons(gpu.event_reasons()) == (POWER_CAP, "hardware thermal slowdown")
    assert gpu.reason_nanoseconds() == {POWER_CAP: 7, THERMAL: 9}
    assert gpu.compute_pids() == [42]
    assert (gpu.power_limit_watts(), gpu.default_power_limit_watts()) == (350.0, 700.0)
    assert (gpu.persistence_mode(), gpu.mig_mode()) == (True, False)


def test_an_old_gpu_has_no_field_for_instant_power(
    driver: nvml.Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = pynvml.c_nvmlFieldValue_t(nvmlReturn=pynvml.NVML_ERROR_NOT_SUPPORTED)
    answers(monkeypatch, nvmlDeviceGetFieldValues=[missing])
    assert driver.gpus()[0].power_watts() == 99.0


def test_an_error_of_the_driver_becomes_a_reason(driver: nvml.Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*given: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetViolationStatus", lost)
    assert state(driver.gpus()[0]).absent == {"reason_nanoseconds": "GPU is lost"}


@pytest.mark.parametrize(("is_mig", "handle"), [(0, "instance"), (1, "board")])
def test_of_a_mig_instance_the_board_is_asked(
    driver: nvml.Nvml, monkeypatch: pytest.MonkeyPatch, is_mig: int, handle: str
) -> None:
    answers(
        monkeypatch,
        nvmlDeviceGetHandleByUUID="instance",
        nvmlDeviceIsMigDeviceHandle=is_mig,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle="board",
    )
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda given: given)
    assert driver.by_uuid("MIG-1").name() == handle


@pytest.mark.cuda
def test_the_real_driver_answers_or_says_why_not() -> None:
    """On a machine without a GPU a reason, on one with a GPU every reading or its reason."""
    try:
        gpu = nvml_driver.open_nvml().gpus()[0]
    except UnreadableError as error:
        pytest.skip(f"NVML: {error}")
    seen = state(gpu)
    assert all((getattr(seen, name) is None) == (name in seen.absent) for name in nvml.READINGS)
