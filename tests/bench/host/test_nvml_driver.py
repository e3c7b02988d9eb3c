"""pynvml's own wrappers over a planted C library: what the driver writes into its arguments becomes ours."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pynvml
import pytest

from bench.host import nvml_driver
from bench.host.nvml import Nvml, NvmlGpu, UnreadableError
from bench.schema.gpu_identity import EccErrors, MigInstance, PcieLink, RemappedRows

NOT_SUPPORTED, NO_PERMISSION, INVALID = (
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
)
FIRST, SECOND = b"GPU-11111111-aaaa", b"GPU-22222222-bbbb"
ADDRESSES = {
    FIRST: {"domain": 0, "bus": 0x3B, "device": 0},
    SECOND: {"domain": 1, "bus": 0xAF, "device": 2},
}
SLOTS = {FIRST: 100, SECOND: 200}

Planted = Mapping[str, Any]


class Library:
    """Functions of nvml.h by name: a list is what is written into the arguments, a number is an error.

    A callable is given the arguments that are no places to write to, as C would see them.
    """

    def __init__(self, planted: Planted) -> None:
        self.planted = dict(planted)

    def function(self, name: str) -> Callable[..., int]:
        return lambda *given: self._call(name, given)

    def _call(self, name: str, given: tuple[Any, ...]) -> int:
        answer = self.planted[name]
        places = [getattr(each, "_obj", each) for each in given if _is_place(each)]
        if callable(answer):
            answer = answer(*[_plain(each) for each in given if not _is_place(each)])
        if isinstance(answer, int):
            return answer
        for place, value in zip(places, answer, strict=True):
            _write(place, value)
        return int(pynvml.NVML_SUCCESS)


def _is_place(argument: Any) -> bool:
    return hasattr(argument, "_obj") or isinstance(argument, ctypes.Array)


def _plain(argument: Any) -> Any:
    """As C sees it; what ctypes could not pass is refused as it would be."""
    value = getattr(argument, "value", argument)
    if isinstance(argument, pynvml.c_nvmlDevice_t):
        return ctypes.cast(argument, ctypes.c_void_p).value
    if not isinstance(value, int | bytes):
        raise ctypes.ArgumentError(f"don't know how to convert {argument!r}")
    return value


def _write(place: Any, value: Any) -> None:
    if isinstance(value, dict):
        for field, each in value.items():
            setattr(place, field, each)
    elif isinstance(place, pynvml.c_nvmlDevice_t):
        ctypes.cast(ctypes.pointer(place), ctypes.POINTER(ctypes.c_void_p))[0] = value
    else:
        place.value = value


def healthy() -> dict[str, Any]:
    """Two H100s on one machine, each with four links to the other."""
    uuid_of = {slot: uuid for uuid, slot in SLOTS.items()}
    clocks = {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_GRAPHICS: 1755, pynvml.NVML_CLOCK_MEM: 2619}
    errors = {
        (pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, pynvml.NVML_VOLATILE_ECC): 1,
        (pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC): 2,
        (pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, pynvml.NVML_AGGREGATE_ECC): 30,
        (pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_AGGREGATE_ECC): 40,
    }

    def link_state(device: int, link: int) -> Any:
        return [int(link < 4)] if link < 18 else INVALID

    return {
        "nvmlDeviceGetHandleByUUID": lambda uuid: [SLOTS[uuid]],
        "nvmlDeviceIsMigDeviceHandle": [0],
        "nvmlDeviceGetIndex": [1],
        "nvmlDeviceGetVbiosVersion": lambda device, size: [b"96.00.74.00.01"],
        "nvmlDeviceGetPciInfo_v3": lambda device: [ADDRESSES[uuid_of[device]]],
        "nvmlDeviceGetApplicationsClock": lambda device, kind: [clocks[kind]],
        "nvmlDeviceGetDefaultApplicationsClock": lambda device, kind: [clocks[kind] - 100],
        "nvmlDeviceGetMaxClockInfo": lambda device, kind: [clocks[kind]],
        "nvmlDeviceGetEccMode": [1, 0],
        "nvmlDeviceGetTotalEccErrors": lambda device, error, counter: [errors[error, counter]],
        "nvmlDeviceGetRemappedRows": [3, 1, 1, 0],
        "nvmlDeviceGetCurrPcieLinkGeneration": [4],
        "nvmlDeviceGetCurrPcieLinkWidth": [8],
        "nvmlDeviceGetMaxPcieLinkGeneration": [5],
        "nvmlDeviceGetMaxPcieLinkWidth": [16],
        "nvmlDeviceGetComputeMode": [3],
        "nvmlDeviceGetDriverModel_v2": NOT_SUPPORTED,
        "nvmlDeviceGetGpuInstanceId": [7],
        "nvmlDeviceGetComputeInstanceId": [1],
        "nvmlDeviceGetTopologyCommonAncestor": [20],
        "nvmlDeviceGetP2PStatus": [pynvml.NVML_P2P_STATUS_OK],
        "nvmlDeviceGetNvLinkState": link_state,
        "nvmlDeviceGetNvLinkRemoteDeviceType": [pynvml.NVML_NVLINK_DEVICE_TYPE_GPU],
        "nvmlDeviceGetNvLinkRemotePciInfo_v2": [ADDRESSES[SECOND]],
    }


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    planted = Library(healthy())
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer", planted.function)
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    nvml_driver._load.cache_clear()
    yield planted
    nvml_driver._load.cache_clear()


@pytest.fixture
def driver(library: Library) -> Nvml:
    return nvml_driver.open_nvml()


@pytest.fixture
def gpu(driver: Nvml) -> NvmlGpu:
    return driver.by_uuid(FIRST.decode())


def test_who_the_gpu_is(gpu: NvmlGpu) -> None:
    assert (gpu.index(), gpu.vbios(), gpu.pci_bus_id()) == (1, "96.00.74.00.01", "0000:3b:00.0")


def test_gpus_that_this_process_may_not_use_are_left_out(driver: Nvml, library: Library) -> None:
    """NVML counts them too: a cgroup keeps a job of a shared machine to some."""
    library.planted["nvmlDeviceGetCount_v2"] = [3]
    library.planted["nvmlDeviceGetHandleByIndex_v2"] = lambda index: [200] if index == 1 else NO_PERMISSION
    library.planted["nvmlDeviceGetUUID"] = lambda device, size: [SECOND]
    assert [gpu.uuid() for gpu in driver.gpus()] == [SECOND.decode()]
    library.planted["nvmlDeviceGetHandleByIndex_v2"] = NO_PERMISSION
    with pytest.raises(UnreadableError, match="Insufficient Permissions"):
        driver.gpus()


def test_a_driver_that_knows_no_mig_is_asked_about_the_gpu_itself(driver: Nvml, library: Library) -> None:
    library.planted["nvmlDeviceIsMigDeviceHandle"] = NOT_SUPPORTED
    assert driver.by_uuid(FIRST.decode()).vbios() == "96.00.74.00.01"


def test_the_clocks_that_were_asked_for_and_the_highest(gpu: NvmlGpu) -> None:
    assert (gpu.application_sm_clock_mhz(), gpu.application_memory_clock_mhz()) == (1755, 2619)
    assert gpu.default_application_sm_clock_mhz() == 1655
    assert (gpu.max_sm_clock_mhz(), gpu.max_memory_clock_mhz()) == (1980, 2619)


def test_the_state_of_its_memory(gpu: NvmlGpu) -> None:
    assert (gpu.ecc_mode(), gpu.pending_ecc_mode()) == (True, False)
    assert gpu.ecc_errors() == EccErrors(
        corrected_volatile=1, uncorrected_volatile=2, corrected_aggregate=30, uncorrected_aggregate=40
    )
    assert gpu.remapped_rows() == RemappedRows(correctable=3, uncorrectable=1, pending=True, failed=False)


def test_its_link_to_the_host(gpu: NvmlGpu) -> None:
    assert gpu.pcie() == PcieLink(generation=4, width=8, max_generation=5, max_width=16)


def test_who_may_use_it(gpu: NvmlGpu) -> None:
    assert gpu.compute_mode() == "exclusive process"


def test_what_linux_does_not_have_is_a_reason(gpu: NvmlGpu) -> None:
    with pytest.raises(UnreadableError, match="Not Supported"):
        gpu.driver_model()


def test_a_number_that_has_no_name_yet_is_a_reason(gpu: NvmlGpu, library: Library) -> None:
    library.planted["nvmlDeviceGetComputeMode"] = [9]
    with pytest.raises(UnreadableError, match="9, which has no name here"):
        gpu.compute_mode()


def test_what_one_has_no_right_to_ask_is_a_reason(gpu: NvmlGpu, library: Library) -> None:
    library.planted["nvmlDeviceGetTotalEccErrors"] = NO_PERMISSION
    with pytest.raises(UnreadableError, match="Insufficient Permissions"):
        gpu.ecc_errors()


def test_a_divided_gpu_lists_its_instances_whose_numbers_may_have_gaps(
    driver: Nvml, library: Library
) -> None:
    instances = {0: b"MIG-dddd", 2: b"MIG-eeee"}
    library.planted |= {
        "nvmlDeviceGetMigMode": [1, 1],
        "nvmlDeviceGetMaxMigDeviceCount": [7],
        "nvmlDeviceGetMigDeviceHandleByIndex": lambda device, number: (
            [300 + number] if number in instances else pynvml.NVML_ERROR_NOT_FOUND
        ),
        "nvmlDeviceGetUUID": lambda device, size: [instances[device - 300]],
    }
    assert driver.mig_uuids(FIRST.decode()) == ["MIG-dddd", "MIG-eeee"]


@pytest.mark.parametrize("mode", [[0, 0], NOT_SUPPORTED])
def test_a_gpu_that_is_not_divided_has_no_instances(driver: Nvml, library: Library, mode: object) -> None:
    library.planted["nvmlDeviceGetMigMode"] = mode
    assert driver.mig_uuids(FIRST.decode()) == []


def test_a_mig_instance_has_its_two_numbers(driver: Nvml) -> None:
    assert driver.mig_instance(FIRST.decode()) == MigInstance(gpu_instance=7, compute_instance=1)


def test_two_gpus_have_a_path_and_may_read_each_other(driver: Nvml) -> None:
    pair = FIRST.decode(), SECOND.decode()
    assert driver.path_between(*pair) == "several PCIe switches"
    assert driver.peer_access(*pair)


def test_a_refused_peer_is_no_peer(driver: Nvml, library: Library) -> None:
    library.planted["nvmlDeviceGetP2PStatus"] = [pynvml.NVML_P2P_STATUS_CHIPSET_NOT_SUPPORTED]
    assert not driver.peer_access(FIRST.decode(), SECOND.decode())


@pytest.mark.parametrize(
    ("kind", "ends_at", "status", "links"),
    [
        (pynvml.NVML_NVLINK_DEVICE_TYPE_GPU, SECOND, 0, 4),
        (pynvml.NVML_NVLINK_DEVICE_TYPE_GPU, FIRST, 0, 0),
        (pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH, FIRST, pynvml.NVML_P2P_STATUS_OK, 4),
        (pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH, FIRST, pynvml.NVML_P2P_STATUS_NOT_SUPPORTED, 0),
        (pynvml.NVML_NVLINK_DEVICE_TYPE_IBMNPU, FIRST, 0, 0),
    ],
)
def test_links_lead_to_a_gpu_straight_or_through_a_switch(
    driver: Nvml, library: Library, kind: int, ends_at: bytes, status: int, links: int
) -> None:
    library.planted["nvmlDeviceGetNvLinkRemoteDeviceType"] = [kind]
    library.planted["nvmlDeviceGetNvLinkRemotePciInfo_v2"] = [ADDRESSES[ends_at]]
    library.planted["nvmlDeviceGetP2PStatus"] = [status]
    assert driver.nvlinks_between(FIRST.decode(), SECOND.decode()) == links


def test_a_gpu_without_nvlink_says_so(driver: Nvml, library: Library) -> None:
    library.planted["nvmlDeviceGetNvLinkState"] = NOT_SUPPORTED
    with pytest.raises(UnreadableError, match="Not Supported"):
        driver.nvlinks_between(FIRST.decode(), SECOND.decode())


def test_the_sm_clock_is_asked_for_at_one_frequency_and_given_back(library: Library, gpu: NvmlGpu) -> None:
    asked: list[tuple[int, ...]] = []

    def note(*given: int) -> int:
        asked.append(given)
        return int(pynvml.NVML_SUCCESS)

    library.planted["nvmlDeviceSetGpuLockedClocks"] = note
    library.planted["nvmlDeviceResetGpuLockedClocks"] = note
    gpu.lock_sm_clock(1200)
    gpu.unlock_sm_clock()
    assert asked == [(SLOTS[FIRST], 1200, 1200), (SLOTS[FIRST],)]
    library.planted["nvmlDeviceSetGpuLockedClocks"] = NO_PERMISSION
    with pytest.raises(UnreadableError, match="Insufficient Permissions"):
        gpu.lock_sm_clock(1200)
