"""What on this machine makes measurements unreliable, and what to do about it. Read only, without torch."""

from __future__ import annotations

from bench import devices
from bench.contracts.device import Device
from bench.doctor import gpu, processor, ram, software
from bench.doctor.machine import Machine
from bench.schema.finding import Finding

__all__ = ["Finding", "Machine", "examine"]


def examine(device: str = "auto", machine: Machine | None = None) -> list[Finding]:
    """Everything there is to say for a device or for `auto`, in a fixed order; takes under a second.

    Raises UserError for a device that there is not.
    """
    chosen = None if device == "auto" else devices.get(device)
    here = Machine() if machine is None else machine
    found = [*processor.findings(here), *ram.findings(here), *software.findings(here)]
    if chosen is None or chosen.traits.uses_nvml:
        found += gpu.findings(here, required=chosen is not None)
    elif not chosen.traits.is_host:
        found.append(_presence(chosen))
    return found


def _presence(device: Device) -> Finding:
    """Of a device of which no driver is asked."""
    reason = device.why_absent()
    spoilt = bool(reason or device.traits.caveat)
    return Finding(
        name=device.name,
        status="warn" if spoilt else "ok",
        found=f"none: {reason}" if reason else "present",
        advice=device.traits.caveat,
    )
