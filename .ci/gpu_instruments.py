"""What the probes of a GPU measure with, and the networks that they run; without convbench."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

DEVICE = "cuda"
MATRIX = 8192
BATCH, IMAGE = 64, 224
WORK_SECONDS = 2.0

Call = Callable[[], object]
Value = Any
"""Whatever JSON can hold; what it cannot is written as text."""


class Facts:
    """Facts by name, on the disk and on the terminal as soon as they are known."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.found: dict[str, Value] = {}

    def note(self, name: str, value: Value) -> None:
        self.found[name] = value
        self._file.write_text(json.dumps(self.found, indent=1, default=str))
        print(f"{name}: {json.dumps(value, default=str)}", flush=True)


class Nvml:
    """NVML's answers about torch's GPU, each a value or `refused: REASON`."""

    def __init__(self) -> None:
        import pynvml

        self._nvml = pynvml
        pynvml.nvmlInit()
        try:
            uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
            self._handle, self.found_by = pynvml.nvmlDeviceGetHandleByUUID(uuid), "torch's UUID"
        except pynvml.NVMLError:
            self._handle, self.found_by = pynvml.nvmlDeviceGetHandleByIndex(0), "index"

    def ask(self, name: str, *arguments: int | list[int]) -> Value:
        """`nvmlDeviceGet` + name."""
        try:
            value = getattr(self._nvml, f"nvmlDeviceGet{name}")(self._handle, *arguments)
        except (self._nvml.NVMLError, AttributeError) as error:
            return f"refused: {error}"
        return value.decode() if isinstance(value, bytes) else value

    def field(self, number: int) -> Value:
        """186: power now, 185: its mean over the last second (mW)."""
        value = self.ask("FieldValues", [number])
        if isinstance(value, str):
            return value
        if value[0].nvmlReturn != 0:
            return f"refused: {value[0].nvmlReturn}"
        kinds = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal"}
        return getattr(value[0].value, kinds.get(value[0].valueType, "ullVal"))

    def driver(self) -> Value:
        return self._nvml.nvmlSystemGetDriverVersion()


# How the host and the GPU are timed


def event() -> torch.cuda.Event:
    made = torch.cuda.Event(enable_timing=True)
    made.record()
    return made


def between(call: Call, times: int, shield: Call | None = None) -> float:
    """Median milliseconds of a call between a pair of events, behind a shield that keeps the queue busy."""
    taken: list[float] = []
    for _ in range(times):
        torch.cuda.synchronize()
        if shield is not None:
            shield()
        start = event()
        call()
        end = event()
        torch.cuda.synchronize()
        taken.append(start.elapsed_time(end))
    return statistics.median(taken)


def wall_ms(call: Call, count: int) -> float:
    """Milliseconds a call by the wall clock, the mean of a row of them."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(count):
        call()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - began) / count


# What is run


def network(name: str) -> nn.Module:
    with torch.device(DEVICE):
        module: nn.Module = getattr(torchvision.models, name)(weights=None)
    return module


def training(name: str) -> Call:
    """A step of training in bf16 autocast."""
    module = network(name).train()
    images = torch.randn(BATCH, 3, IMAGE, IMAGE, device=DEVICE)
    labels = torch.randint(1000, (BATCH,), device=DEVICE)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(module(images), labels)
        loss.backward()
        optimizer.step()

    return step


def product() -> Call:
    """A large matrix product in bf16."""
    matrix = torch.randn(MATRIX, MATRIX, device=DEVICE, dtype=torch.bfloat16)
    result = torch.empty_like(matrix)
    return lambda: torch.mm(matrix, matrix, out=result)
