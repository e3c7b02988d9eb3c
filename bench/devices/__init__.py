"""Hardware, a file each: every module here that defines DEVICE is an answer to `--device`."""

from __future__ import annotations

import sys
from functools import cache

from bench.contracts import plugins
from bench.contracts.device import Device
from models.errors import unknown


@cache
def devices() -> dict[str, Device]:
    """Every device this package knows, by name, present on this machine or not."""
    return {device.name: device for device in plugins.find(sys.modules[__name__], "DEVICE")}


def get(name: str) -> Device:
    """The device of that name; UserError with the nearest name otherwise."""
    if name not in devices():
        raise unknown("device", name, [*devices(), "auto"])
    return devices()[name]
