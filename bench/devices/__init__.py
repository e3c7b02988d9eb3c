"""Hardware, a file each: every module here that defines DEVICE is an answer to `--device`."""

from __future__ import annotations

import sys
from functools import cache

from bench.contracts import plugins
from bench.contracts.device import UNKNOWN, Device, Traits
from models.errors import unknown


@cache
def devices() -> dict[str, Device]:
    """Every device this package knows, by name, present on this machine or not."""
    return {device.name: device for device in plugins.find(sys.modules[__name__], "DEVICE")}


def aliases() -> dict[str, str]:
    """Other names that users know, and the name of the device that each means."""
    return {alias: device.name for device in devices().values() for alias in device.traits.aliases}


def get(name: str) -> Device:
    """The device of that name; UserError with the nearest name otherwise."""
    if name not in devices():
        raise unknown("device", name, [*devices(), "auto"])
    return devices()[name]


def traits(name: str) -> Traits:
    """Of the device that a case or a record names; UNKNOWN where this version has no such device."""
    return devices()[name].traits if name in devices() else UNKNOWN


def host() -> Device:
    """The processor that Python runs on."""
    return next(device for device in devices().values() if device.traits.is_host)


def of_nvidia() -> Device:
    """The one that NVIDIA's driver knows: what the GPUs of a cluster's nodes are."""
    return next(device for device in devices().values() if device.traits.uses_nvml)


def candidates() -> list[Device]:
    """What `auto` may take, the most preferred first: all but those that are taken by name only."""
    offered = [each for each in devices().values() if each.traits.preference >= host().traits.preference]
    return sorted(offered, key=lambda device: device.traits.preference, reverse=True)


def auto() -> str:
    """The name of the most preferred device that seems to be here; asked without torch, in milliseconds."""
    return next(device.name for device in candidates() if device.why_absent() is None)
