"""What the NVIDIA driver says of a GPU, through pynvml; behind two protocols that a fake can replace.

What NVML cannot say is None, with NVML's own reason beside it: never 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

T = TypeVar("T")

EVENT_REASONS = {
    0x001: "idle",
    0x002: "application clocks",
    0x004: "software power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "software thermal slowdown",
    0x040: "hardware thermal slowdown",
    0x080: "hardware power brake",
    0x100: "display clocks",
}
"""nvml.h, nvmlClocksEventReason*: why the clocks are not at their highest."""
THERMAL = "thermal slowdown"
"""What the driver's counter of slowdowns for heat does not tell apart: by software or by hardware."""
SLOWDOWNS = {
    "hardware slowdown",
    "hardware thermal slowdown",
    "hardware power brake",
    "software thermal slowdown",
    THERMAL,
}
"""The reasons under which a figure is not the GPU's own: docs/method.md, "What a label means"."""
POWER_CAP = "software power cap"

_POWER_INSTANT = 186


class UnreadableError(Exception):
    """NVML does not say; the message is its reason."""


class NvmlGpu(Protocol):
    """One GPU (under MIG, the board of an instance). Every call may raise UnreadableError."""

    def uuid(self) -> str: ...

    def name(self) -> str: ...

    def sm_clock_mhz(self) -> int: ...

    def memory_clock_mhz(self) -> int: ...

    def power_watts(self) -> float:
        """At this instant where the driver can say so."""

    def temperature_celsius(self) -> int: ...

    def energy_joules(self) -> float:
        """Since the driver was loaded, of the whole board."""

    def event_reasons(self) -> int:
        """The bits of EVENT_REASONS in force now."""

    def reason_nanoseconds(self) -> Mapping[str, int]:
        """How long POWER_CAP and THERMAL held the clocks down since the driver was loaded."""

    def compute_pids(self) -> Sequence[int]:
        """As the host numbers processes: inside a container they are not this system's own."""

    def graphics_pids(self) -> Sequence[int]: ...

    def power_limit_watts(self) -> float: ...

    def default_power_limit_watts(self) -> float: ...

    def persistence_mode(self) -> bool: ...

    def mig_mode(self) -> bool: ...


class Nvml(Protocol):
    """The driver. Every call may raise UnreadableError."""

    def driver_version(self) -> str: ...

    def cuda_version(self) -> str:
        """The newest CUDA that the driver can run."""

    def gpus(self) -> Sequence[NvmlGpu]:
        """In the order of their PCI addresses."""

    def by_uuid(self, uuid: str) -> NvmlGpu:
        """The GPU, or the board of the MIG instance, of that UUID."""


class GpuState(Struct, frozen=True, kw_only=True):
    """One moment of a GPU. What is None has its reason in `absent`, by the field's name."""

    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    power_watts: float | None = None
    temperature_celsius: int | None = None
    event_reasons: int | None = None
    reason_nanoseconds: Mapping[str, int] | None = None
    absent: Mapping[str, str]


READINGS = tuple(field for field in GpuState.__struct_fields__ if field != "absent")


def state(gpu: NvmlGpu) -> GpuState:
    """Ask for everything; what cannot be read is absent, and nothing is raised."""
    found: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for reading in READINGS:
        try:
            found[reading] = getattr(gpu, reading)()
        except UnreadableError as error:
            absent[reading] = str(error)
    return GpuState(absent=absent, **found)


def nothing(reason: str) -> GpuState:
    """The state of a GPU that cannot be asked at all."""
    return GpuState(absent=dict.fromkeys(READINGS, reason))


def by_torch_uuid(nvml: Nvml, uuid: str) -> NvmlGpu:
    """The GPU that torch names so: without the prefix that tells a GPU from a MIG instance."""
    try:
        return nvml.by_uuid(f"GPU-{uuid}")
    except UnreadableError:
        return nvml.by_uuid(f"MIG-{uuid}")


def reasons(bits: int) -> tuple[str, ...]:
    """The names of the reasons in force, those that mean something for a busy GPU."""
    return tuple(name for bit, name in EVENT_REASONS.items() if bits & bit and name != "idle")


def visible_gpu(nvml: Nvml, environ: Mapping[str, str]) -> NvmlGpu:
    """The GPU that CUDA will call device 0, found without CUDA.

    Raises UnreadableError where none is visible or only CUDA knows: its own order is by speed, NVML's by
    PCI address, and they agree for sure where all GPUs are alike or CUDA_DEVICE_ORDER says so.
    """
    gpus = nvml.gpus()
    first = environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if first.startswith("MIG-"):
        return nvml.by_uuid(first)
    if first.startswith("GPU-"):
        matching = [gpu for gpu in gpus if gpu.uuid().startswith(first)]  # CUDA takes abbreviations too
        if len(matching) != 1:
            raise UnreadableError(f"CUDA_VISIBLE_DEVICES names {first}, which is no GPU of this machine")
        return matching[0]
    if not first.isdecimal() or int(first) >= len(gpus):
        raise UnreadableError(f"no GPU is visible to CUDA (CUDA_VISIBLE_DEVICES={first!r})")
    if environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID" and len({gpu.name() for gpu in gpus}) > 1:
        raise UnreadableError(
            "the GPUs differ, and only CUDA knows its order: set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the "
            "GPU by its UUID in CUDA_VISIBLE_DEVICES"
        )
    return gpus[int(first)]


def open_nvml() -> Nvml:
    """The driver's own NVML; raises UnreadableError where there is no driver."""
    _load()
    return _DriverNvml()


@functools.cache
def _load() -> None:
    import pynvml

    _ask(pynvml.nvmlInit)


def _ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call pynvml, whose errors become reasons."""
    import pynvml

    try:
        return function(*arguments)
    except pynvml.NVMLError as error:
        raise UnreadableError(str(error)) from error


class _DriverNvml:
    def driver_version(self) -> str:
        import pynvml

        return str(_ask(pynvml.nvmlSystemGetDriverVersion))

    def cuda_version(self) -> str:
        import pynvml

        version = int(_ask(pynvml.nvmlSystemGetCudaDriverVersion_v2))
        return f"{version // 1000}.{version % 1000 // 10}"

    def gpus(self) -> Sequence[NvmlGpu]:
        import pynvml

        count = int(_ask(pynvml.nvmlDeviceGetCount))
        return [_DriverGpu(_ask(pynvml.nvmlDeviceGetHandleByIndex, index)) for index in range(count)]

    def by_uuid(self, uuid: str) -> NvmlGpu:
        import pynvml

        handle = _ask(pynvml.nvmlDeviceGetHandleByUUID, uuid)
        if _ask(pynvml.nvmlDeviceIsMigDeviceHandle, handle):
            handle = _ask(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, handle)
        return _DriverGpu(handle)


class _DriverGpu:
    def __init__(self, handle: Any) -> None:
        import pynvml

        self._handle = handle
        self._nvml = pynvml

    def _get(self, function: str, *arguments: Any) -> Any:
        return _ask(getattr(self._nvml, function), self._handle, *arguments)

    def uuid(self) -> str:
        return str(self._get("nvmlDeviceGetUUID"))

    def name(self) -> str:
        return str(self._get("nvmlDeviceGetName"))

    def sm_clock_mhz(self) -> int:
        return int(self._get("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_SM))

    def memory_clock_mhz(self) -> int:
        return int(self._get("nvmlDeviceGetClockInfo", self._nvml.NVML_CLOCK_MEM))

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
