"""What makers promise: dense figures of well-known GPUs, to stand beside measured ones (datasheet.csv)."""

from __future__ import annotations

import csv
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct


class Datasheet(Struct, frozen=True, kw_only=True):
    """A row of datasheet.csv; None is what the source does not say.

    device                  the driver's name without `NVIDIA `; `*` stands for anything
    fp32, tf32, bf16, fp16  TFLOP/s without sparsity, of tensor cores where they have the type, accumulated
                            in fp32
    bandwidth               of the device's memory, GB/s
    """

    device: str
    fp32: float | None
    tf32: float | None
    bf16: float | None
    fp16: float | None
    bandwidth: float | None
    source: str

    def teraflops(self, dtype: str) -> float | None:
        """TFLOP/s in one of the types above."""
        figure: float | None = getattr(self, dtype)
        return figure


@cache
def datasheets() -> tuple[Datasheet, ...]:
    """Every row of the file."""
    with Path(__file__).with_name("datasheet.csv").open(newline="", encoding="utf-8") as lines:
        return tuple(
            msgspec.convert({key: value or None for key, value in row.items()}, Datasheet, strict=False)
            for row in csv.DictReader(lines)
        )


def datasheet_of(gpu: str) -> Datasheet | None:
    """By the name that torch or the driver gives; a slice of a GPU (MIG) has a name of its own, and none."""
    name = gpu.removeprefix("NVIDIA ")
    return next((each for each in datasheets() if fnmatchcase(name, each.device)), None)
