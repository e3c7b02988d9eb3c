"""Asking pynvml: its errors become reasons, the numbers and structures of nvml.h our words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from bench.host.nvml import UnreadableError

T = TypeVar("T")


def ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call pynvml. Raises UnreadableError with the driver's reason."""
    import pynvml

    try:
        return function(*arguments)
    except pynvml.NVMLError as error:
        raise UnreadableError(str(error)) from error


def word(words: Mapping[int, T], number: int) -> T:
    """The name of a number of nvml.h; UnreadableError for one that a newer driver has."""
    if number not in words:
        raise UnreadableError(f"{number}, which has no name here")
    return words[number]


def pci_bus_id_of(info: Any) -> str:
    """A pynvml.nvmlPciInfo_t as Linux writes it: `0000:3b:00.0`."""
    return f"{info.domain:04x}:{info.bus:02x}:{info.device:02x}.0"
