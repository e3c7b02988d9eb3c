"""Apple GPUs through torch.mps: events, and sizes of what is allocated now. Untested on hardware.

Written from torch's documentation of torch.mps and of its environment variables, and exercised through fakes
of those functions alone. Moreover nothing else of convbench runs on macOS today: it reads Linux's /proc and
control groups, and nobody has tried its fork server with Metal. So `--device mps` is known, and refused
wherever convbench runs; what is here is what a port finds ready.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from bench.contracts.costs import UNKNOWN_COSTS
from bench.contracts.device import Traits
from bench.contracts.energy_source import EnergySource, NoCounter
from bench.contracts.monitor import Monitor
from bench.host.contention import ContentionMonitor
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.gpu_identity import Gpu, GpuReadings
from bench.schema.record import Effective
from bench.schema.tuning import FUSED_OPTIMIZER
from models.errors import UserError

if TYPE_CHECKING:
    from torch.mps.event import Event

TRAITS = Traits(
    title="MPS",
    preference=-1,
    is_host=False,
    scale="large",
    clocks=("device_time", "wall_time", "host_time"),
    precisions=("fp32", "amp-bf16", "amp-fp16", "bf16", "fp16"),
    tunings=(FUSED_OPTIMIZER,),
    captures_graphs=False,
    needs_cxx=False,
    profiler="",
    has_datasheet=False,
    tensor_cores=False,
    peak_metric="",
    energy_scope="",
    counts_energy=False,
    costs=UNKNOWN_COSTS,
    uses_gpu=True,
    uses_nvml=False,
    caveat="untested on hardware: written from torch's documentation",
)
_ENVIRONMENT = {
    "mps_fast_math": "PYTORCH_MPS_FAST_MATH",
    "mps_prefer_metal": "PYTORCH_MPS_PREFER_METAL",
    "mps_fallback": "PYTORCH_ENABLE_MPS_FALLBACK",
}
"""What changes arithmetic, kernels or where they run; 0 by default. torch has no other flags for MPS."""
_SPIN = """
kernel void spin(device float* out, constant float& rounds, uint at [[thread_position_in_grid]]) {
    float value = out[at];
    for (float round = 0; round < rounds; round += 1) value = value * 0.5f + 1.0f;
    out[at] = value;
}
"""
_MOST_ROUNDS = 2**22
"""Of one launch: a float counts them, and exactly no further than 2^24."""


class Mps:
    """torch's `mps` device: there is one."""

    name = "mps"
    traits = TRAITS
    overcommits = False

    def why_absent(self) -> str | None:
        if sys.platform != "darwin":
            return f"no Apple GPU was found: MPS is part of macOS, and this is {platform.system()}"
        return None

    def why_unsupported(self, case: Case) -> str | None:
        if case.precision == "tf32":
            return "tf32 is a mode of NVIDIA GPUs; MPS has fp32, amp-bf16, amp-fp16, bf16 and fp16"
        return None

    def why_unusable(self, case: Case) -> str | None:
        import torch

        if not torch.backends.mps.is_built():
            return f"torch {torch.__version__} was built without MPS"
        if not torch.backends.mps.is_available():
            return f"torch {torch.__version__} has no MPS here: this macOS is too old, or its GPU has none"
        if case.precision in ("bf16", "amp-bf16") and not torch.backends.mps.is_macos_or_newer(14, 0):
            return "MPS has bf16 from macOS 14 on"
        return None

    def why_no_flush(self) -> str | None:
        return "torch.mps does not say how large the L2 is"

    def torch_name(self) -> str:
        return "mps"

    def torch_type(self) -> str:
        return "mps"

    def prepare(self, case: Case) -> None:
        import torch

        torch.set_num_threads(case.threads)

    def read_back(self) -> Effective:
        flags = {flag: os.environ.get(variable, "0") for flag, variable in _ENVIRONMENT.items()}
        return Effective(precision=flags)

    def clock(self) -> float:
        return time.perf_counter()

    def synchronise(self) -> None:
        import torch

        torch.mps.synchronize()

    def flush(self) -> Callable[[], None]:
        raise UserError(f"no cold figures on MPS: {self.why_no_flush()}")

    def queue(self) -> MpsQueue:
        return MpsQueue(self.torch_name())

    def monitors(self, threads: int) -> Sequence[Monitor]:
        return [ContentionMonitor(threads)]

    def energy_source(self) -> EnergySource:
        return NoCounter("torch.mps has no counter of energy")

    def accelerator(self) -> Gpu:
        import torch

        return Gpu(
            name=torch.backends.mps.get_name(),
            memory_bytes=torch.mps.recommended_max_memory(),
            capability=f"{torch.backends.mps.get_core_count()} cores",
            driver=f"macOS {platform.mac_ver()[0]}",
            cuda=None,
            cudnn=None,
        )

    def accelerator_readings(self) -> GpuReadings | None:
        return None

    def memory_baseline(self) -> int:
        import torch

        return torch.mps.current_allocated_memory()

    def release_memory(self) -> None:
        import torch

        torch.mps.synchronize()
        torch.mps.empty_cache()

    def reset_peak(self) -> None:
        """Nothing: torch.mps keeps no peak."""

    def read_peak(self) -> dict[str, int]:
        return {}

    def read_memory(self) -> dict[str, int]:
        """What Metal holds for this process beside its tensors, once the allocator has given back its own."""
        import torch

        self.release_memory()
        beside = torch.mps.driver_allocated_memory() - torch.mps.current_allocated_memory()
        return {"driver_other": beside}

    def free_library_workspace(self) -> bool:
        return False

    def free_memory(self) -> int:
        import torch

        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()

    def warnings(self) -> list[CaseWarning]:
        return []


class MpsQueue:
    """The one stream of torch.mps."""

    def __init__(self, torch_name: str) -> None:
        self._torch_name = torch_name

    def clock(self) -> float:
        return time.perf_counter()

    def synchronise(self) -> None:
        import torch

        torch.mps.synchronize()

    def record(self) -> Event:
        from torch.mps.event import Event

        event = Event(enable_timing=True)
        event.record()
        return event

    def elapsed(self, start: Event, end: Event) -> float:
        return float(start.elapsed_time(end)) / 1e3  # torch gives milliseconds

    def done(self, event: Event) -> bool:
        return bool(event.query())

    def occupy(self, seconds: float) -> None:
        rounds = seconds * self._rounds_per_second
        while rounds > 0:
            self._spin(min(rounds, _MOST_ROUNDS))
            rounds -= _MOST_ROUNDS

    def busy_seconds(self, call: Callable[[], None]) -> None:
        """Nothing: torch.profiler does not see Metal's kernels."""

    @cached_property
    def _spin(self) -> Callable[[float], None]:
        """torch has no kernel that waits, so this is one thread that counts."""
        import torch

        library = torch.mps.compile_shader(_SPIN)
        value = torch.ones(1, device=self._torch_name)
        return lambda rounds: library.spin(value, float(rounds))

    @cached_property
    def _rounds_per_second(self) -> float:
        self._spin(_MOST_ROUNDS)  # the first one loads the kernel
        start = self.record()
        self._spin(_MOST_ROUNDS)
        end = self.record()
        self.synchronise()
        return _MOST_ROUNDS / self.elapsed(start, end)


DEVICE = Mps()
