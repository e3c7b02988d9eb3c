"""What a record says of its GPU, from the driver: how it is set, what its counters say, who its peers are.

Nothing here fails: what cannot be read is None, and `absent` has the driver's reason under its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.host.nvml import Answers, Nvml, UnreadableError, by_torch_uuid, full_uuid
from bench.schema.gpu_identity import GpuReadings, Peer

SETTINGS = (
    "vbios",
    "power_limit_watts",
    "application_sm_clock_mhz",
    "application_memory_clock_mhz",
    "max_sm_clock_mhz",
    "max_memory_clock_mhz",
    "ecc_mode",
    "mig_mode",
)
"""Fields of `Gpu` that the driver says, each by the call of that name."""
_READINGS = (
    "index",
    "pci_bus_id",
    "sm_clock_mhz",
    "memory_clock_mhz",
    "temperature_celsius",
    "pending_ecc_mode",
    "ecc_errors",
    "remapped_rows",
    "pcie",
    "persistence_mode",
    "compute_mode",
    "driver_model",
)
"""Fields of `GpuReadings`, likewise."""
_BESIDE = ("numa_node", "mig_instance", "peers")
"""Fields of `GpuReadings` that are found in other ways."""


def identity(open_nvml: Callable[[], Nvml], torch_uuid: str) -> dict[str, Any]:
    """`uuid`, `driver` and the SETTINGS of `Gpu` that the driver says; `torch_uuid` has no prefix."""
    asked = Answers()
    try:
        nvml = open_nvml()
        asked.ask("driver", nvml.driver_version)
        uuid = full_uuid(nvml, torch_uuid)
        asked.ask_all(nvml.by_uuid(uuid), SETTINGS)
    except UnreadableError:
        uuid = f"GPU-{torch_uuid}"  # without a driver that answers there is no MIG to be told from it
    return asked.found | {"uuid": uuid}


def readings(
    open_nvml: Callable[[], Nvml], torch_uuid: str, devices: Path = Path("/sys/bus/pci/devices")
) -> GpuReadings:
    """What the driver and Linux say now, and why they do not say the rest, SETTINGS too."""
    asked = Answers()
    try:
        nvml = open_nvml()
        uuid = full_uuid(nvml, torch_uuid)
        gpu = nvml.by_uuid(uuid)
    except UnreadableError as error:
        return GpuReadings(absent=dict.fromkeys((*SETTINGS, *_READINGS, *_BESIDE), str(error)))
    asked.ask_all(gpu, (*SETTINGS, *_READINGS))
    asked.ask("numa_node", lambda: numa_node(gpu.pci_bus_id(), devices))
    asked.ask("mig_instance", lambda: nvml.mig_instance(uuid))
    asked.ask("peers", lambda: peers(nvml, gpu.uuid()))
    beside = {name: value for name, value in asked.found.items() if name not in SETTINGS}
    return GpuReadings(absent=asked.absent, **beside)


def numa_node(pci_bus_id: str, devices: Path = Path("/sys/bus/pci/devices")) -> int:
    """The node of the host's memory that is next to a PCI device, by Linux; UnreadableError for none."""
    try:
        node = int((devices / pci_bus_id / "numa_node").read_text())
    except (OSError, ValueError) as error:
        raise UnreadableError(f"Linux does not say where {pci_bus_id} is") from error
    if node < 0:
        raise UnreadableError("the machine has one NUMA node, or does not say which is next to the GPU")
    return node


def peers(nvml: Nvml, uuid: str) -> tuple[Peer, ...]:
    """The other GPUs of the machine, by index, and the ways to them; `uuid` is a whole GPU's."""
    others = [other for gpu in nvml.gpus() if (other := gpu.uuid()) != uuid]
    return tuple(_peer(nvml, uuid, other) for other in others)


def _peer(nvml: Nvml, uuid: str, other: str) -> Peer:
    asked = Answers()
    asked.ask("path", lambda: nvml.path_between(uuid, other))
    asked.ask("nvlinks", lambda: nvml.nvlinks_between(uuid, other))
    asked.ask("peer_access", lambda: nvml.peer_access(uuid, other))
    return Peer(uuid=other, absent=asked.absent, **asked.found)


def why_shared(open_nvml: Callable[[], Nvml], uuid: str) -> str | None:
    """Why memory of this GPU may be another process's; None where none but this one uses it.

    Counted, not compared by process id: NVML gives the host's, and a container has its own.
    """
    try:
        gpu = by_torch_uuid(open_nvml(), uuid)
        computing, drawing = len(gpu.compute_pids()), len(gpu.graphics_pids())
    except UnreadableError as error:
        return f"NVML does not say who uses the GPU: {error}"
    if computing > 1 or drawing:
        return f"{computing} processes compute and {drawing} draw on the GPU"
    return None
