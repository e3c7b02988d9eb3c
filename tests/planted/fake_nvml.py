"""NVML with planted answers: each reading is a value, or a string that is the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.host.nvml import POWER_CAP, THERMAL, NvmlGpu, UnreadableError

MILLISECOND = 1_000_000
"""In nanoseconds, as the driver counts."""


def answer(planted: Any) -> Any:
    """The planted value; a string is raised as NVML's reason, a callable is asked each time."""
    value = planted() if isinstance(planted, Callable) else planted  # type: ignore[arg-type]
    if isinstance(value, str):
        raise UnreadableError(value)
    return value


@dataclass
class FakeGpu:
    """A healthy H100 unless planted otherwise."""

    gpu_uuid: str = "GPU-11111111-aaaa"
    gpu_name: str = "NVIDIA H100"
    sm_clock: Any = 1980
    memory_clock: Any = 2619
    power: Any = 412.5
    temperature: Any = 61
    energy: Any = 1000.0
    bits: Any = 0
    held: Any = field(default_factory=lambda: {POWER_CAP: 0, THERMAL: 0})
    pids: Any = ()
    graphics: Any = ()
    limit: Any = 700.0
    default_limit: Any = 700.0
    persistence: Any = True
    mig: Any = False

    def uuid(self) -> str:
        return self.gpu_uuid

    def name(self) -> str:
        return self.gpu_name

    def sm_clock_mhz(self) -> int:
        return int(answer(self.sm_clock))

    def memory_clock_mhz(self) -> int:
        return int(answer(self.memory_clock))

    def power_watts(self) -> float:
        return float(answer(self.power))

    def temperature_celsius(self) -> int:
        return int(answer(self.temperature))

    def energy_joules(self) -> float:
        return float(answer(self.energy))

    def event_reasons(self) -> int:
        return int(answer(self.bits))

    def reason_nanoseconds(self) -> Mapping[str, int]:
        return dict(answer(self.held))

    def compute_pids(self) -> Sequence[int]:
        return list(answer(self.pids))

    def graphics_pids(self) -> Sequence[int]:
        return list(answer(self.graphics))

    def power_limit_watts(self) -> float:
        return float(answer(self.limit))

    def default_power_limit_watts(self) -> float:
        return float(answer(self.default_limit))

    def persistence_mode(self) -> bool:
        return bool(answer(self.persistence))

    def mig_mode(self) -> bool:
        return bool(answer(self.mig))


@dataclass
class FakeNvml:
    """A driver with these GPUs; MIG instances by their UUID."""

    present: Sequence[FakeGpu] = field(default_factory=lambda: (FakeGpu(),))
    instances: Mapping[str, FakeGpu] = field(default_factory=dict)

    def driver_version(self) -> str:
        return "580.65.06"

    def cuda_version(self) -> str:
        return "13.0"

    def gpus(self) -> Sequence[NvmlGpu]:
        return self.present

    def by_uuid(self, uuid: str) -> NvmlGpu:
        known = {gpu.gpu_uuid: gpu for gpu in self.present} | dict(self.instances)
        if uuid not in known:
            raise UnreadableError("Not Found")
        return known[uuid]


def no_driver() -> FakeNvml:
    raise UnreadableError("NVML Shared Library Not Found")
