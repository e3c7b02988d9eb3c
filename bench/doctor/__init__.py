"""What on this machine would spoil a measurement, and what to do about it. Read only, without torch."""

from __future__ import annotations

from bench import devices
from bench.doctor import gpu, processor, ram, software
from bench.doctor.machine import Machine
from bench.schema.finding import Finding

__all__ = ["Finding", "Machine", "examine"]


def examine(device: str = "auto", machine: Machine | None = None) -> list[Finding]:
    """Everything there is to say for `cpu`, `cuda` or `auto`, in a fixed order; takes under a second.

    Raises UserError for another device.
    """
    if device != "auto":
        devices.get(device)
    here = Machine() if machine is None else machine
    found = [*processor.findings(here), *ram.findings(here), *software.findings(here)]
    if device != "cpu":
        found += gpu.findings(here, required=device == "cuda")
    return found
