"""NVML with planted answers: each reading is a value, or a string that is the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from bench.host.nvml import POWER_CAP, THERMAL, NvmlGpu, UnreadableError
from bench.schema.gpu_identity import (
    ComputeMode,
    DriverModel,
    EccErrors,
    MigInstance,
    PcieLink,
    PeerPath,
    RemappedRows,
)

T = TypeVar("T")
MILLISECOND = 1_000_000
"""In nanoseconds, as the driver counts."""


def answer(planted: Any) -> Any:
    """The planted value; a string is raised as NVML's reason, a callable is asked each time."""
    value = planted() if isinstance(planted, Callable) else planted  # type: ignore[arg-type]
    if isinstance(value, str):
        raise UnreadableError(value)
    return value


NO_ERRORS = EccErrors(
    corrected_volatile=0, uncorrected_volatile=0, corrected_aggregate=0, uncorrected_aggregate=0
)
FULL_LINK = PcieLink(generation=5, width=16, max_generation=5, max_width=16)
NO_ROWS = RemappedRows(correctable=0, uncorrectable=0, pending=False, failed=False)


def said(planted: T | UnreadableError) -> T:
    """Of a reading that is text itself: the reason why there is none is planted as the error."""
    if isinstance(planted, UnreadableError):
        raise planted
    return planted


@dataclass
class FakeGpu:
    """A healthy H100 unless planted otherwise."""

    gpu_uuid: str = "GPU-11111111-aaaa"
    gpu_name: str = "NVIDIA H100"
    number: Any = 0
    bus: str | UnreadableError = "0000:3b:00.0"
    firmware: str | UnreadableError = "96.00.74.00.01"
    sm_clock: Any = 1980
    memory_clock: Any = 2619
    application_clocks: Any = (1980, 2619)
    default_clock: Any = 1980
    max_clocks: Any = (1980, 2619)
    power: Any = 412.5
    temperature: Any = 61
    energy: Any = 1000.0
    bits: Any = 0
    held: Any = field(default_factory=lambda: {POWER_CAP: 0, THERMAL: 0})
    pids: Any = ()
    graphics: Any = ()
    limit: Any = 700.0
    default_limit: Any = 700.0
    persistence: Any = True
    mig: Any = False
    ecc: Any = (True, True)
    errors: Any = field(default_factory=lambda: NO_ERRORS)
    rows: Any = field(default_factory=lambda: NO_ROWS)
    link: Any = field(
        default_factory=lambda: PcieLink(generation=5, width=16, max_generation=5, max_width=16)
    )
    may_lock: Any = True
    may_unlock: Any = True
    locked_at: Any = None
    mode: ComputeMode | UnreadableError = "default"
    model: DriverModel | UnreadableError = UnreadableError("Not Supported")  # noqa: RUF009

    def uuid(self) -> str:
        return self.gpu_uuid

    def index(self) -> int:
        return int(answer(self.number))

    def name(self) -> str:
        return self.gpu_name

    def pci_bus_id(self) -> str:
        return said(self.bus)

    def vbios(self) -> str:
        return said(self.firmware)

    def sm_clock_mhz(self) -> int:
        return int(answer(self.sm_clock))

    def memory_clock_mhz(self) -> int:
        return int(answer(self.memory_clock))

    def application_sm_clock_mhz(self) -> int:
        return int(answer(self.application_clocks)[0])

    def application_memory_clock_mhz(self) -> int:
        return int(answer(self.application_clocks)[1])

    def default_application_sm_clock_mhz(self) -> int:
        return int(answer(self.default_clock))

    def max_sm_clock_mhz(self) -> int:
        return int(answer(self.max_clocks)[0])

    def max_memory_clock_mhz(self) -> int:
        return int(answer(self.max_clocks)[1])

    def power_watts(self) -> float:
        return float(answer(self.power))

    def temperature_celsius(self) -> int:
        return int(answer(self.temperature))

    def energy_joules(self) -> float:
        return float(answer(self.energy))

    def event_reasons(self) -> int:
        return int(answer(self.bits))

    def reason_nanoseconds(self) -> Mapping[str, int]:
        return dict(answer(self.held))

    def compute_pids(self) -> Sequence[int]:
        return list(answer(self.pids))

    def graphics_pids(self) -> Sequence[int]:
        return list(answer(self.graphics))

    def power_limit_watts(self) -> float:
        return float(answer(self.limit))

    def default_power_limit_watts(self) -> float:
        return float(answer(self.default_limit))

    def persistence_mode(self) -> bool:
        return bool(answer(self.persistence))

    def mig_mode(self) -> bool:
        return bool(answer(self.mig))

    def ecc_mode(self) -> bool:
        return bool(answer(self.ecc)[0])

    def pending_ecc_mode(self) -> bool:
        return bool(answer(self.ecc)[1])

    def ecc_errors(self) -> EccErrors:
        return cast(EccErrors, answer(self.errors))

    def remapped_rows(self) -> RemappedRows:
        return cast(RemappedRows, answer(self.rows))

    def pcie(self) -> PcieLink:
        return cast(PcieLink, answer(self.link))

    def compute_mode(self) -> ComputeMode:
        return said(self.mode)

    def driver_model(self) -> DriverModel:
        return said(self.model)

    def lock_sm_clock(self, mhz: int) -> None:
        answer(self.may_lock)
        self.locked_at = mhz

    def unlock_sm_clock(self) -> None:
        answer(self.may_unlock)
        self.locked_at = None


@dataclass
class FakeNvml:
    """A driver with these GPUs; MIG instances by their UUID."""

    present: Sequence[FakeGpu] = field(default_factory=lambda: (FakeGpu(),))
    instances: Mapping[str, FakeGpu] = field(default_factory=dict)
    path: PeerPath | UnreadableError = "one PCIe switch"
    nvlinks: Any = 0
    peers_read: Any = True

    def driver_version(self) -> str:
        return "580.65.06"

    def cuda_version(self) -> str:
        return "13.0"

    def gpus(self) -> Sequence[NvmlGpu]:
        return self.present

    def by_uuid(self, uuid: str) -> NvmlGpu:
        known = {gpu.gpu_uuid: gpu for gpu in self.present} | dict(self.instances)
        if uuid not in known:
            raise UnreadableError("Not Found")
        return known[uuid]

    def mig_uuids(self, uuid: str) -> Sequence[str]:
        return [name for name, board in self.instances.items() if board.gpu_uuid == uuid]

    def mig_instance(self, uuid: str) -> MigInstance:
        self.by_uuid(uuid)
        if uuid not in self.instances:
            raise UnreadableError("Invalid Argument")
        return MigInstance(gpu_instance=7, compute_instance=0)

    def path_between(self, uuid: str, other: str) -> PeerPath:
        return said(self.path)

    def nvlinks_between(self, uuid: str, other: str) -> int:
        return int(answer(self.nvlinks))

    def peer_access(self, uuid: str, other: str) -> bool:
        return bool(answer(self.peers_read))


def no_driver() -> FakeNvml:
    raise UnreadableError("NVML Shared Library Not Found")
