"""The processor: a call returns when its work is done, and memory is what the kernel says of the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.contracts.costs import Costs
from bench.contracts.device import Traits
from bench.contracts.energy_source import EnergySource
from bench.contracts.monitor import Monitor
from bench.host.available_memory import available_bytes
from bench.host.contention import ContentionMonitor
from bench.host.cpu_caches import last_cache_bytes
from bench.host.rapl import RaplCounter
from bench.schema.case import Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.gpu_identity import Gpu, GpuReadings
from bench.schema.record import Effective
from bench.schema.tuning import FREEZING, FUSED_OPTIMIZER
from models.errors import UserError

_HALF_TYPES = {"amp-bf16": "bf16", "bf16": "bf16", "amp-fp16": "fp16", "fp16": "fp16"}
_PRECISIONS = {"highest": "ieee", "high": "tf32", "medium": "bf16", "none": "ieee"}
"""torch's words for the fp32 precision on a CPU (`none`: nothing but IEEE was allowed), in those that
devices/cuda.py reads back: the same arithmetic must have the same name, or nothing on a CPU is comparable
with anything on a GPU."""

COSTS = Costs(
    source="two cores of an AMD EPYC (AVX2, 2.45 GHz) and of an Intel Xeon (AVX-512), torch 2.15",
    process_seconds=0.7,
    parameter_seconds=8e-9,
    first_step_seconds=0.0,
    compile_seconds=2.0,
    recompile_seconds=0.2,
    flops_per_second={"fp32": 54e9, "bf16": 150e9, "fp16": 5e9},
    bytes_per_second=18e9,
    layer_seconds=40e-6,
    noise=0.03,
    ceiling_seconds=10.0,
    reference_core=78e9,
)
TRAITS = Traits(
    title="the CPU",
    preference=0,
    is_host=True,
    scale="small",
    clocks=("wall_time",),
    # fp16 last: processors that emulate it take minutes for a step of a large network.
    precisions=("fp32", "amp-bf16", "bf16", "amp-fp16", "fp16"),
    tunings=(FREEZING, FUSED_OPTIMIZER),
    captures_graphs=False,
    needs_cxx=True,
    profiler="",
    has_datasheet=False,
    tensor_cores=False,
    peak_metric="peak_resident",
    energy_scope=(
        "Counted by RAPL: the processor's packages with all that ran on them, other processes too, without "
        "the memory's modules."
    ),
    counts_energy=False,  # the kernel shows RAPL to root alone
    costs=COSTS,
    uses_gpu=False,
    uses_nvml=False,
)


class Cpu:
    """torch's `cpu` device."""

    name = "cpu"
    traits = TRAITS
    overcommits = True

    def why_absent(self) -> str | None:
        return None

    def why_unsupported(self, case: Case) -> str | None:
        if case.precision == "tf32":
            return "tf32 needs an NVIDIA GPU; a CPU supports fp32, amp-bf16, amp-fp16, bf16 and fp16"
        return None

    def why_unusable(self, case: Case) -> str | None:
        import torch

        half = _HALF_TYPES.get(case.precision)
        # oneDNN's own answer: without these instructions it emulates, which measures nothing a user wants.
        if half == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return "this CPU does not support bf16 convolutions (oneDNN needs AVX-512 or newer)"
        if half == "fp16" and not torch.ops.mkldnn._is_mkldnn_fp16_supported():
            return "this CPU does not support fp16 convolutions (oneDNN needs AVX512-FP16 or newer)"
        return None

    def why_no_flush(self) -> str | None:
        return None if last_cache_bytes() else "the kernel does not report the size of the last-level cache"

    def torch_name(self) -> str:
        return "cpu"

    def torch_type(self) -> str:
        return "cpu"

    def prepare(self, case: Case) -> None:
        import torch

        torch.set_num_threads(case.threads)
        # Denormal numbers take a slow path in the processor and turn timings into a function of the data.
        torch.set_flush_denormal(True)
        # The older of torch's two interfaces to fp32 precision, as in devices/cuda.py.
        torch.set_float32_matmul_precision("highest")

    def read_back(self) -> Effective:
        import torch

        conv = str(torch.backends.mkldnn.conv.fp32_precision)  # type: ignore[attr-defined]
        return Effective(
            precision={
                "matmul": _PRECISIONS[torch.get_float32_matmul_precision()],
                "conv": _PRECISIONS.get(conv, conv),
            },
            machine={
                "threads": str(torch.get_num_threads()),
                "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            },
        )

    def clock(self) -> float:
        return time.perf_counter()

    def synchronise(self) -> None:
        return None

    def flush(self) -> Callable[[], None]:
        import torch

        size = last_cache_bytes()
        if size is None:
            raise UserError(f"--flush-l2 is not possible on cpu: {self.why_no_flush()}")
        buffer = torch.zeros(2 * size, dtype=torch.uint8)

        def write_over() -> None:  # by all of torch's threads, so that each group of cores takes its part
            buffer.add_(1)

        return write_over

    def queue(self) -> None:
        return None

    def monitors(self, threads: int) -> Sequence[Monitor]:
        return [ContentionMonitor(threads, is_host=True)]

    def energy_source(self) -> EnergySource:
        return RaplCounter()

    def accelerator(self) -> Gpu | None:
        return None

    def accelerator_readings(self) -> GpuReadings | None:
        return None

    def memory_baseline(self) -> int:
        return _status_bytes("VmRSS")

    def release_memory(self) -> None:
        return None

    def reset_peak(self) -> None:
        # proc(5): writing 5 resets VmHWM to the present VmRSS. ru_maxrss would still hold the fork
        # server's peak, which a child inherits.
        Path("/proc/self/clear_refs").write_text("5")

    def read_peak(self) -> dict[str, int]:
        return {"peak_resident": _status_bytes("VmHWM")}

    def read_memory(self) -> dict[str, int]:
        return {}

    def free_library_workspace(self) -> bool:
        return False

    def free_memory(self) -> int:
        return available_bytes()

    def warnings(self) -> list[CaseWarning]:
        return []


def _status_bytes(key: str) -> int:
    """A size of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * 1024
    raise OSError(f"/proc/self/status has no {key}")


DEVICE = Cpu()
