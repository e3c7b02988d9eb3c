"""What the NVIDIA driver can be asked of a GPU: two protocols that a fake can replace (`nvml_driver` asks).

What NVML cannot say is None, with NVML's own reason beside it: never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from bench.schema.gpu_identity import (
    ComputeMode,
    DriverModel,
    EccErrors,
    MigInstance,
    PcieLink,
    PeerPath,
    RemappedRows,
)

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


class UnreadableError(Exception):
    """NVML does not say; the message is its reason."""


class NvmlGpu(Protocol):
    """One GPU (under MIG, the board of an instance). Every call may raise UnreadableError."""

    def uuid(self) -> str: ...

    def index(self) -> int:
        """Its place in the order of PCI addresses, as nvidia-smi counts."""

    def name(self) -> str: ...

    def pci_bus_id(self) -> str:
        """As Linux writes it: `0000:3b:00.0`."""

    def vbios(self) -> str: ...

    def sm_clock_mhz(self) -> int: ...

    def memory_clock_mhz(self) -> int: ...

    def application_sm_clock_mhz(self) -> int: ...

    def application_memory_clock_mhz(self) -> int: ...

    def default_application_sm_clock_mhz(self) -> int: ...

    def max_sm_clock_mhz(self) -> int: ...

    def max_memory_clock_mhz(self) -> int: ...

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

    def ecc_mode(self) -> bool: ...

    def pending_ecc_mode(self) -> bool: ...

    def ecc_errors(self) -> EccErrors: ...

    def remapped_rows(self) -> RemappedRows: ...

    def pcie(self) -> PcieLink: ...

    def compute_mode(self) -> ComputeMode: ...

    def driver_model(self) -> DriverModel: ...

    def lock_sm_clock(self, mhz: int) -> None:
        """Ask for this SM clock until `unlock_sm_clock`, whoever asks for that; mostly root alone may."""

    def unlock_sm_clock(self) -> None:
        """Let the SM clock go where it will again."""


class Nvml(Protocol):
    """The driver. Every call may raise UnreadableError."""

    def driver_version(self) -> str: ...

    def cuda_version(self) -> str:
        """The newest CUDA that the driver can run."""

    def gpus(self) -> Sequence[NvmlGpu]:
        """Those that this process may use, in the order of their PCI addresses."""

    def mig_uuids(self, uuid: str) -> Sequence[str]:
        """Of the instances of a GPU, in the order of their numbers; none where it is not divided."""

    def by_uuid(self, uuid: str) -> NvmlGpu:
        """The GPU, or the board of the MIG instance, of that UUID."""

    def mig_instance(self, uuid: str) -> MigInstance:
        """Which part of its board a UUID names; UnreadableError where it names a whole GPU."""

    def path_between(self, uuid: str, other: str) -> PeerPath:
        """What the two GPUs have in common."""

    def nvlinks_between(self, uuid: str, other: str) -> int:
        """Active NVLinks that lead from the one to the other, straight or through a switch."""

    def peer_access(self, uuid: str, other: str) -> bool:
        """Whether the one can read the other's memory itself."""


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


class Answers:
    """What was answered, by name, and the reason for each question that was not."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.absent: dict[str, str] = {}

    def ask(self, name: str, call: Callable[[], object]) -> None:
        try:
            self.found[name] = call()
        except UnreadableError as error:
            self.absent[name] = str(error)

    def ask_all(self, gpu: NvmlGpu, names: Sequence[str]) -> None:
        """Each by the call of its name."""
        for name in names:
            self.ask(name, getattr(gpu, name))


def state(gpu: NvmlGpu) -> GpuState:
    """Ask for everything; what cannot be read is absent, and nothing is raised."""
    answers = Answers()
    answers.ask_all(gpu, READINGS)
    return GpuState(absent=answers.absent, **answers.found)


def nothing(reason: str) -> GpuState:
    """The state of a GPU that cannot be asked at all."""
    return GpuState(absent=dict.fromkeys(READINGS, reason))


def is_divided(gpu: NvmlGpu) -> bool:
    """Whether MIG divides the GPU."""
    try:
        return gpu.mig_mode()
    except UnreadableError:  # GPUs that have no MIG say so by refusing
        return False


def full_uuid(nvml: Nvml, uuid: str) -> str:
    """What torch names without the prefix that tells a GPU from a MIG instance; UnreadableError for none."""
    try:
        nvml.by_uuid(f"GPU-{uuid}")
    except UnreadableError:
        nvml.by_uuid(f"MIG-{uuid}")
        return f"MIG-{uuid}"
    return f"GPU-{uuid}"


def by_torch_uuid(nvml: Nvml, uuid: str) -> NvmlGpu:
    """The GPU, or the board of the MIG instance, that torch names so."""
    return nvml.by_uuid(full_uuid(nvml, uuid))


def reasons(bits: int) -> tuple[str, ...]:
    """The names of the reasons in force, those that mean something for a busy GPU."""
    return tuple(name for bit, name in EVENT_REASONS.items() if bits & bit and name != "idle")
