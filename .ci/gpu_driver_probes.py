"""Probes of a GPU that ask its driver: which GPU it is, what a question costs, what limits the clocks."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from gpu_instruments import WORK_SECONDS, Call, Facts, Nvml, event, product

DRIVER_FACTS: dict[str, tuple[Any, ...]] = {
    "index": ("Index",),
    "VBIOS": ("VbiosVersion",),
    "power limit (mW)": ("EnforcedPowerLimit",),
    "default power limit (mW)": ("PowerManagementDefaultLimit",),
    "highest SM clock (MHz)": ("MaxClockInfo", 1),
    "highest memory clock (MHz)": ("MaxClockInfo", 2),
    "application SM clock (MHz)": ("ApplicationsClock", 1),
    "persistence": ("PersistenceMode",),
    "compute mode": ("ComputeMode",),
    "MIG": ("MigMode",),
    "ECC": ("EccMode",),
    "uncorrected ECC errors": ("TotalEccErrors", 1, 0),
    "remapped rows": ("RemappedRows",),
    "PCIe generation": ("CurrPcieLinkGeneration",),
    "PCIe width": ("CurrPcieLinkWidth",),
}
"""What NVML is asked, with the arguments of `Nvml.ask`."""


def identity(facts: Facts, nvml: Nvml) -> None:
    """Which GPU this is."""
    free, total = torch.cuda.mem_get_info()
    properties = torch.cuda.get_device_properties(0)
    facts.note(
        "gpu",
        {
            "name": properties.name,
            "uuid": str(properties.uuid),
            "found by": nvml.found_by,
            "capability": f"{properties.major}.{properties.minor}",
            "SMs": properties.multi_processor_count,
            "L2 MiB": properties.L2_cache_size / 2**20,
            "memory: torch, driver, free": [properties.total_memory, total, free],
            "torch": torch.__version__,
            "CUDA": torch.version.cuda,
            "cuDNN": torch.backends.cudnn.version(),
            "driver": nvml.driver(),
        },
    )
    said = {name: nvml.ask(*question) for name, question in DRIVER_FACTS.items()}
    facts.note("driver's facts", {**said, "PCI": getattr(nvml.ask("PciInfo"), "busId", None)})


def meters(facts: Facts, nvml: Nvml) -> None:
    """What a question to NVML costs, how often the energy counter moves, and what limits the clocks."""
    questions: dict[str, Call] = {
        "power": lambda: nvml.field(186),
        "energy": lambda: nvml.ask("TotalEnergyConsumption"),
        "SM clock": lambda: nvml.ask("ClockInfo", 1),
        "reasons": lambda: nvml.ask("CurrentClocksEventReasons"),
        "violations": lambda: nvml.ask("ViolationStatus", 0),
    }
    facts.note("ms a question to NVML", {name: round(_host_ms(ask), 3) for name, ask in questions.items()})

    def violated() -> list[int | None]:
        return [getattr(nvml.ask("ViolationStatus", kind), "violationTime", None) for kind in (0, 1, 10)]

    multiply, ticks = product(), []
    before, began = violated(), time.perf_counter()
    last, seen = nvml.ask("TotalEnergyConsumption"), time.perf_counter()
    while time.perf_counter() < began + WORK_SECONDS:
        for _ in range(10):
            multiply()
        end = event()
        while not end.query():
            if (now := nvml.ask("TotalEnergyConsumption")) != last:
                ticks.append(time.perf_counter() - seen)
                last, seen = now, time.perf_counter()
            time.sleep(5e-4)
    seconds = round(time.perf_counter() - began, 2)
    moved = round(1e3 * statistics.median(ticks), 1) if ticks else None
    facts.note("ms between two moves of the energy counter, at work", moved)
    spent = [
        None if a is None or b is None else round((b - a) / 1e9, 3)
        for a, b in zip(before, violated(), strict=True)
    ]
    facts.note("throttle, s under power, thermal and any limit by NVML, of s at work", [*spent, seconds])
    facts.note("throttle, reasons at work", nvml.ask("CurrentClocksEventReasons"))


def _host_ms(ask: Call) -> float:
    began = time.perf_counter()
    for _ in range(5):
        ask()
    return 200 * (time.perf_counter() - began)
