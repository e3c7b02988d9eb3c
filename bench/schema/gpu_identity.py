"""A GPU in a record: who it was and how it was set, which decides, and what was read, which does not."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

CHOOSES_GPU = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")
"""Environment variables that say which GPU: where its UUID is known, they are no condition of their own."""

ComputeMode = Literal["default", "exclusive thread", "prohibited", "exclusive process"]
DriverModel = Literal["WDDM", "WDM", "MCDM"]
"""Of Windows; other systems have none."""
PeerPath = Literal[
    "one board",
    "one PCIe switch",
    "several PCIe switches",
    "one host bridge",
    "one NUMA node",
    "between NUMA nodes",
]
"""nvml.h, nvmlGpuTopologyLevel_t: what two GPUs have in common, the nearest first."""


class Gpu(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which device it was, and how it was set: figures are pooled only where all of this is equal.

    Optional fields are None where the driver does not say, for the reason in `GpuReadings.absent`, and in
    records made before they existed.

    driver                 version of the driver
    uuid                   in full, of the GPU (`GPU-...`) or of the instance of MIG (`MIG-...`)
    vbios                  the firmware, which sets clocks and power
    power_limit_watts      in force; under MIG the whole board's, as the clocks are
    application_*, max_*   clocks asked for by default, and the highest there are
    locked_clocks_mhz      that the SM clock was locked at for this run
    ecc_mode               whether memory is checked
    mig_mode               whether the GPU is divided
    """

    name: str
    memory_bytes: int
    capability: str
    driver: str | None
    cuda: str | None
    cudnn: str | None
    uuid: str | None = None
    vbios: str | None = None
    power_limit_watts: float | None = None
    application_sm_clock_mhz: int | None = None
    application_memory_clock_mhz: int | None = None
    max_sm_clock_mhz: int | None = None
    max_memory_clock_mhz: int | None = None
    locked_clocks_mhz: int | None = None
    ecc_mode: bool | None = None
    mig_mode: bool | None = None


class EccErrors(Struct, frozen=True, kw_only=True):
    """Of all memories of the GPU: volatile since the driver was loaded, aggregate in its lifetime."""

    corrected_volatile: int
    uncorrected_volatile: int
    corrected_aggregate: int
    uncorrected_aggregate: int


class RemappedRows(Struct, frozen=True, kw_only=True):
    """Rows of memory replaced for good: after correctable and uncorrectable errors."""

    correctable: int
    uncorrectable: int
    pending: bool
    """Whether a row waits for the next reset of the GPU."""
    failed: bool
    """Whether a row could not be replaced."""


class PcieLink(Struct, frozen=True, kw_only=True):
    """The link to the host now, and the most that this GPU in this slot can do; a GPU at rest lowers it."""

    generation: int
    width: int
    max_generation: int
    max_width: int


class MigInstance(Struct, frozen=True, kw_only=True):
    """The part of a divided GPU, as `nvidia-smi -L` numbers it."""

    gpu_instance: int
    compute_instance: int


class Peer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The way to another GPU of the machine, visible or not. What is None has its reason in `absent`.

    path         what the two have in common
    nvlinks      active NVLinks that lead to it, straight or through a switch
    peer_access  whether its memory can be read without the host's
    """

    uuid: str
    path: PeerPath | None = None
    nvlinks: int | None = None
    peer_access: bool | None = None
    absent: dict[str, str] = {}


class GpuReadings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was read of the GPU when a record's measurements had ended: it decides nothing.

    Not here but in `Gpu` is what makes two figures those of different things. These are here because they
    change without the GPU becoming another one:

    index, pci_bus_id, numa_node   where it sits: both numbers change when a card is added or a virtual
                                   machine starts again, and the UUID names the GPU wherever it is
    persistence_mode               whether the driver stays loaded between processes: it moves when a process
                                   is ready, and every process is warmed up before it is timed
    compute_mode                   who may use the GPU: a process that may not is not measured
    pending_ecc_mode               after the next reset
    peers                          the ways to the other GPUs, in the order of their indices
    absent                         field of this or of `Gpu` -> the driver's reason for saying nothing
    """

    index: int | None = None
    pci_bus_id: str | None = None
    numa_node: int | None = None
    sm_clock_mhz: int | None = None
    memory_clock_mhz: int | None = None
    temperature_celsius: int | None = None
    pending_ecc_mode: bool | None = None
    ecc_errors: EccErrors | None = None
    remapped_rows: RemappedRows | None = None
    pcie: PcieLink | None = None
    mig_instance: MigInstance | None = None
    persistence_mode: bool | None = None
    compute_mode: ComputeMode | None = None
    driver_model: DriverModel | None = None
    peers: tuple[Peer, ...] = ()
    absent: dict[str, str] = {}
