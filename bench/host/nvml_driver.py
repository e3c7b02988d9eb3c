"""The NVIDIA driver's own NVML, through pynvml: its units, tuples and numbers become ours."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from bench.host import nvml_peers
from bench.host.nvml import POWER_CAP, THERMAL, Nvml, NvmlGpu, UnreadableError
from bench.host.nvml_ask import ask, pci_bus_id_of, word
from bench.schema.gpu_identity import (
    ComputeMode,
    DriverModel,
    EccErrors,
    MigInstance,
    PcieLink,
    PeerPath,
    RemappedRows,
)

_POWER_INSTANT = 186
_COMPUTE_MODES: Mapping[int, ComputeMode] = {
    0: "default",
    1: "exclusive thread",
    2: "prohibited",
    3: "exclusive process",
}
_DRIVER_MODELS: Mapping[int, DriverModel] = {0: "WDDM", 1: "WDM", 2: "MCDM"}


def open_nvml() -> Nvml:
    """The driver's own NVML; raises UnreadableError where there is no driver."""
    _load()
    return _DriverNvml()


@functools.cache
def _load() -> None:
    import pynvml

    ask(pynvml.nvmlInit)


class _DriverNvml:
    def driver_version(self) -> str:
        import pynvml

        return str(ask(pynvml.nvmlSystemGetDriverVersion))

    def cuda_version(self) -> str:
        import pynvml

        version = int(ask(pynvml.nvmlSystemGetCudaDriverVersion_v2))
        return f"{version // 1000}.{version % 1000 // 10}"

    def gpus(self) -> Sequence[NvmlGpu]:
        import pynvml

        found: list[NvmlGpu] = []
        refused: UnreadableError | None = None
        for index in range(int(ask(pynvml.nvmlDeviceGetCount))):
            try:
                found.append(_DriverGpu(ask(pynvml.nvmlDeviceGetHandleByIndex, index)))
            except UnreadableError as error:  # counted too: those that a cgroup forbids, and broken ones
                refused = error
        if refused is not None and not found:
            raise refused
        return found

    def mig_uuids(self, uuid: str) -> Sequence[str]:
        import pynvml

        found, board = [], ask(pynvml.nvmlDeviceGetHandleByUUID, uuid)
        if _is_divided(board):
            for number in range(ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, board)):
                with suppress(UnreadableError):  # numbers without an instance are refused
                    handle = ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, board, number)
                    found.append(str(ask(pynvml.nvmlDeviceGetUUID, handle)))
        return found

    def by_uuid(self, uuid: str) -> NvmlGpu:
        return _DriverGpu(_board(uuid))

    def mig_instance(self, uuid: str) -> MigInstance:
        import pynvml

        handle = ask(pynvml.nvmlDeviceGetHandleByUUID, uuid)
        return MigInstance(
            gpu_instance=int(ask(pynvml.nvmlDeviceGetGpuInstanceId, handle)),
            compute_instance=int(ask(pynvml.nvmlDeviceGetComputeInstanceId, handle)),
        )

    def path_between(self, uuid: str, other: str) -> PeerPath:
        return nvml_peers.path_between(_board(uuid), _board(other))

    def nvlinks_between(self, uuid: str, other: str) -> int:
        return nvml_peers.nvlinks_between(_board(uuid), _board(other))

    def peer_access(self, uuid: str, other: str) -> bool:
        return nvml_peers.peer_access(_board(uuid), _board(other))


def _is_divided(board: Any) -> bool:
    import pynvml

    try:
        return bool(ask(pynvml.nvmlDeviceGetMigMode, board)[0])
    except UnreadableError:  # GPUs that have no MIG say so by refusing
        return False


def _board(uuid: str) -> Any:
    """The handle of a GPU, or of the board of a MIG instance."""
    import pynvml

    handle = ask(pynvml.nvmlDeviceGetHandleByUUID, uuid)
    if _is_instance(handle):
        handle = ask(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, handle)
    return handle


def _is_instance(handle: Any) -> bool:
    import pynvml

    try:
        return bool(ask(pynvml.nvmlDeviceIsMigDeviceHandle, handle))
    except UnreadableError:  # likewise
        return False


class _DriverGpu:
    def __init__(self, handle: Any) -> None:
        import pynvml

        self._handle = handle
        self._nvml = pynvml

    def _get(self, function: str, *arguments: Any) -> Any:
        return ask(getattr(self._nvml, function), self._handle, *arguments)

    def uuid(self) -> str:
        return str(self._get("nvmlDeviceGetUUID"))

    def index(self) -> int:
        return int(self._get("nvmlDeviceGetIndex"))

    def name(self) -> str:
        return str(self._get("nvmlDeviceGetName"))

    def pci_bus_id(self) -> str:
        return pci_bus_id_of(self._get("nvmlDeviceGetPciInfo"))

    def vbios(self) -> str:
        return str(self._get("nvmlDeviceGetVbiosVersion"))

    def sm_clock_mhz(self) -> int:
        return int(self._get("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_SM))

    def memory_clock_mhz(self) -> int:
        return int(self._get("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_MEM))

    def application_sm_clock_mhz(self) -> int:
        # It is set as the clock of graphics, which that of the SMs follows.
        return int(self._get("nvmlDeviceGetApplicationsClock", self._nvml.NVML_CLOCK_GRAPHICS))

    def application_memory_clock_mhz(self) -> int:
        return int(self._get("nvmlDeviceGetApplicationsClock", self._nvml.NVML_CLOCK_MEM))

    def default_application_sm_clock_mhz(self) -> int:
        return int(self._get("nvmlDeviceGetDefaultApplicationsClock", self._nvml.NVML_CLOCK_GRAPHICS))

    def max_sm_clock_mhz(self) -> int:
        return int(self._get("nvmlDeviceGetMaxClockInfo", self._nvml.NVML_CLOCK_SM))

    def max_memory_clock_mhz(self) -> int:
        return int(self._get("nvmlDeviceGetMaxClockInfo", self._nvml.NVML_CLOCK_MEM))

    def power_watts(self) -> float:
        instant = self._field(_POWER_INSTANT)
        # Where the field is missing the GPU is old, and its power usage is no average yet.
        milliwatts = instant if instant is not None else self._get("nvmlDeviceGetPowerUsage")
        return float(milliwatts) / 1e3

    def temperature_celsius(self) -> int:
        return int(self._get("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU))

    def energy_joules(self) -> float:
        return float(self._get("nvmlDeviceGetTotalEnergyConsumption")) / 1e3

    def event_reasons(self) -> int:
        return int(self._get("nvmlDeviceGetCurrentClocksEventReasons"))

    def reason_nanoseconds(self) -> Mapping[str, int]:
        # Not by the fields NVML_FI_DEV_CLOCKS_EVENT_REASON_*: their numbers changed between releases of
        # nvml.h (251 to 253, then 269 to 271), so that an older driver would answer something else.
        counters = {
            POWER_CAP: self._nvml.NVML_PERF_POLICY_POWER,
            THERMAL: self._nvml.NVML_PERF_POLICY_THERMAL,
        }
        return {
            name: int(self._get("nvmlDeviceGetViolationStatus", policy).violationTime)
            for name, policy in counters.items()
        }

    def compute_pids(self) -> Sequence[int]:
        return [int(process.pid) for process in self._get("nvmlDeviceGetComputeRunningProcesses")]

    def graphics_pids(self) -> Sequence[int]:
        return [int(process.pid) for process in self._get("nvmlDeviceGetGraphicsRunningProcesses")]

    def power_limit_watts(self) -> float:
        return float(self._get("nvmlDeviceGetPowerManagementLimit")) / 1e3

    def default_power_limit_watts(self) -> float:
        return float(self._get("nvmlDeviceGetPowerManagementDefaultLimit")) / 1e3

    def persistence_mode(self) -> bool:
        return bool(self._get("nvmlDeviceGetPersistenceMode"))

    def mig_mode(self) -> bool:
        return bool(self._get("nvmlDeviceGetMigMode")[0])

    def ecc_mode(self) -> bool:
        return bool(self._get("nvmlDeviceGetEccMode")[0])

    def pending_ecc_mode(self) -> bool:
        return bool(self._get("nvmlDeviceGetEccMode")[1])

    def ecc_errors(self) -> EccErrors:
        nvml = self._nvml
        corrected, uncorrected = (
            nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED,
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
        )

        def count(error: int, counter: int) -> int:
            return int(self._get("nvmlDeviceGetTotalEccErrors", error, counter))

        return EccErrors(
            corrected_volatile=count(corrected, nvml.NVML_VOLATILE_ECC),
            uncorrected_volatile=count(uncorrected, nvml.NVML_VOLATILE_ECC),
            corrected_aggregate=count(corrected, nvml.NVML_AGGREGATE_ECC),
            uncorrected_aggregate=count(uncorrected, nvml.NVML_AGGREGATE_ECC),
        )

    def remapped_rows(self) -> RemappedRows:
        correctable, uncorrectable, pending, failed = self._get("nvmlDeviceGetRemappedRows")
        return RemappedRows(
            correctable=int(correctable),
            uncorrectable=int(uncorrectable),
            pending=bool(pending),
            failed=bool(failed),
        )

    def pcie(self) -> PcieLink:
        return PcieLink(
            generation=int(self._get("nvmlDeviceGetCurrPcieLinkGeneration")),
            width=int(self._get("nvmlDeviceGetCurrPcieLinkWidth")),
            max_generation=int(self._get("nvmlDeviceGetMaxPcieLinkGeneration")),
            max_width=int(self._get("nvmlDeviceGetMaxPcieLinkWidth")),
        )

    def compute_mode(self) -> ComputeMode:
        return word(_COMPUTE_MODES, self._get("nvmlDeviceGetComputeMode"))

    def driver_model(self) -> DriverModel:
        return word(_DRIVER_MODELS, self._get("nvmlDeviceGetDriverModel")[0])

    def lock_sm_clock(self, mhz: int) -> None:
        self._get("nvmlDeviceSetGpuLockedClocks", mhz, mhz)

    def unlock_sm_clock(self) -> None:
        self._get("nvmlDeviceResetGpuLockedClocks")

    def _field(self, number: int) -> float | None:
        """A field value; None where the driver does not have it."""
        value = self._get("nvmlDeviceGetFieldValues", [number])[0]
        members = {
            self._nvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
            self._nvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
            self._nvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
            self._nvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
        }
        if value.nvmlReturn != self._nvml.NVML_SUCCESS or value.valueType not in members:
            return None
        return float(getattr(value.value, members[value.valueType]))
