"""NVIDIA GPUs through torch.cuda: events, the caching allocator, and the driver's own count of memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from bench.contracts.costs import Costs
from bench.contracts.device import Traits
from bench.contracts.energy_source import EnergySource
from bench.contracts.monitor import Monitor
from bench.cuda_queue import CudaQueue
from bench.host import cuda_variables, gpu_facts
from bench.host.contention import ContentionMonitor
from bench.host.cuda_variables import EFFECTS
from bench.host.gpu_clocks import ClockMonitor
from bench.host.installed import version_of
from bench.host.nvml import UnreadableError, by_torch_uuid
from bench.host.nvml_driver import open_nvml
from bench.host.nvml_energy import EnergyCounter
from bench.schema.case import PRECISIONS, Case
from bench.schema.case_warnings import CaseWarning
from bench.schema.gpu_identity import Gpu, GpuReadings
from bench.schema.record import Effective
from bench.schema.tuning import CUDNN_EXHAUSTIVE, CUDNN_HEURISTICS, NAMES, names

_PEAKS = {
    "peak_allocated": "allocated_bytes.all.peak",
    "peak_requested": "requested_bytes.all.peak",
    "peak_reserved": "reserved_bytes.all.peak",
}

_REDUCED_SUMS = {
    "fp16": "allow_fp16_reduced_precision_reduction",
    "bf16": "allow_bf16_reduced_precision_reduction",
    "fp16-accumulation": "allow_fp16_accumulation",
}
"""Of torch.backends.cuda.matmul, left as they are: where cuBLAS may add up in less than fp32."""
_PLANS = 10
"""torch's own `cudnn.benchmark_limit`: how many plans cuDNN tries for a convolution, 0 for all."""

COSTS = Costs(
    source="published rates of a data-center GPU (H100) at the shares usual in networks; untested on a GPU",
    process_seconds=0.5,
    parameter_seconds=1e-9,
    first_step_seconds=0.004,
    compile_seconds=0.35,
    recompile_seconds=0.1,
    flops_per_second={"fp32": 60e12, "tf32": 250e12, "bf16": 400e12, "fp16": 400e12},
    bytes_per_second=2e12,
    layer_seconds=20e-6,
    noise=0.003,
    ceiling_seconds=20.0,
)
TRAITS = Traits(
    title="CUDA",
    aliases=("gpu",),
    preference=10,
    is_host=False,
    scale="large",
    clocks=("device_time", "wall_time", "host_time"),
    precisions=PRECISIONS,
    tunings=NAMES,
    captures_graphs=True,
    needs_cxx=False,
    needs_triton=True,
    profiler="CUDA",
    has_datasheet=True,
    tensor_cores=True,
    peak_metric="peak_allocated",
    energy_scope="Counted by the GPU: its whole board, and nothing of the rest of the machine.",
    counts_energy=True,
    costs=COSTS,
    uses_gpu=True,
    uses_nvml=True,
)


class Cuda:
    """torch's current CUDA device: in a child the first that it sees, and `--gpu` leaves it one to see."""

    name = "cuda"
    traits = TRAITS
    overcommits = False

    def why_absent(self) -> str | None:
        import pynvml

        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is not None and visible.partition(",")[0].strip() in ("", "-1"):
            return f"no CUDA GPU is visible: CUDA_VISIBLE_DEVICES is {visible!r}"
        try:
            pynvml.nvmlInit()
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            return f"no CUDA GPU found: {error}"
        if not count:
            return "no CUDA GPU found: the driver lists none"
        torch_version = version_of("torch") or ""
        return f"torch {torch_version} is a build without CUDA" if "+cpu" in torch_version else None

    def why_unsupported(self, case: Case) -> str | None:
        return None

    def why_unusable(self, case: Case) -> str | None:
        import torch

        if not torch.cuda.is_available():
            return f"torch {torch.__version__} cannot use a CUDA GPU on this machine"
        if case.precision == "tf32" and torch.cuda.get_device_capability() < (8, 0):
            return f"{torch.cuda.get_device_name()} does not support tf32 (needs compute capability 8.0)"
        if case.precision in ("bf16", "amp-bf16") and not torch.cuda.is_bf16_supported(
            including_emulation=False
        ):
            return f"{torch.cuda.get_device_name()} does not support bf16 (needs compute capability 8.0)"
        return None

    def why_no_flush(self) -> str | None:
        return None

    def torch_name(self) -> str:
        import torch

        return f"cuda:{torch.cuda.current_device()}"

    def torch_type(self) -> str:
        return "cuda"

    def prepare(self, case: Case) -> None:
        import torch

        torch.set_num_threads(case.threads)
        # torch's own default is mixed: TF32 in convolutions, IEEE in matrix products. Of torch's two
        # interfaces the older, here and everywhere: with the newer one set to tf32, Inductor of torch 2.11
        # fails at the first matrix product that it tunes (pytorch#166387), and mixing them raises.
        tf32 = case.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        # Lets cuDNN choose by trial in every process; replicates are processes, so the choice's effect
        # is inside the interval.
        torch.backends.cudnn.benchmark = CUDNN_HEURISTICS not in names(case.tuning)
        torch.backends.cudnn.benchmark_limit = 0 if CUDNN_EXHAUSTIVE in names(case.tuning) else _PLANS

    def read_back(self) -> Effective:
        import torch

        # NVIDIA's libraries obey it above everything that a program sets.
        override = os.environ.get("NVIDIA_TF32_OVERRIDE")
        overridden = {} if override is None else {"nvidia_tf32_override": override}
        products = torch.backends.cuda.matmul
        flags = {
            "matmul": "tf32" if products.allow_tf32 else "ieee",
            "conv": "tf32" if torch.backends.cudnn.allow_tf32 else "ieee",
            "cudnn_benchmark": str(torch.backends.cudnn.benchmark).lower(),
            "cudnn_benchmark_limit": str(torch.backends.cudnn.benchmark_limit),
            "reduced_sums": "+".join(on for on, flag in _REDUCED_SUMS.items() if getattr(products, flag)),
        }
        return Effective(precision=overridden | flags)

    def clock(self) -> float:
        return time.perf_counter()

    def synchronise(self) -> None:
        import torch

        torch.cuda.synchronize()

    def flush(self) -> Callable[[], None]:
        import torch

        size = _properties().L2_cache_size
        buffer = torch.empty(2 * size, dtype=torch.uint8, device=self.torch_name())

        def write_over() -> None:
            buffer.zero_()

        return write_over

    def queue(self) -> CudaQueue:
        return self._queue

    @cached_property
    def _queue(self) -> CudaQueue:
        """One for all who ask: it finds out once for a GPU how long to spin."""
        return CudaQueue(self.uuid, _highest_mhz)

    def uuid(self) -> str:
        """As torch gives it, without the prefix by which NVML tells a GPU from an instance of MIG."""
        return str(_properties().uuid)

    def monitors(self, threads: int) -> Sequence[Monitor]:
        return [ContentionMonitor(threads), ClockMonitor(open_nvml, self.uuid())]

    def energy_source(self) -> EnergySource:
        return EnergyCounter(open_nvml, self.uuid())

    def accelerator(self) -> Gpu:
        import torch

        properties = _properties()
        return Gpu(
            name=properties.name,
            memory_bytes=properties.total_memory,
            capability=f"{properties.major}.{properties.minor}",
            cuda=torch.version.cuda,
            cudnn=str(torch.backends.cudnn.version()),
            **({"driver": None} | gpu_facts.identity(open_nvml, self.uuid())),
        )

    def accelerator_readings(self) -> GpuReadings:
        return gpu_facts.readings(open_nvml, self.uuid())

    def memory_baseline(self) -> int:
        import torch

        return torch.cuda.memory_allocated()

    def release_memory(self) -> None:
        import torch

        # What autotuning had reserved, and where it ran out and was tried again, is no need of a step.
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_accumulated_memory_stats()

    def reset_peak(self) -> None:
        import torch

        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()

    def read_peak(self) -> dict[str, int]:
        import torch

        torch.cuda.synchronize()
        memory = torch.cuda.memory_stats()
        return {metric: int(memory.get(key, 0)) for metric, key in _PEAKS.items()}

    def read_memory(self) -> dict[str, int]:
        import torch

        free, total = torch.cuda.mem_get_info()
        memory = torch.cuda.memory_stats()
        facts = {"allocation_retries": int(memory.get("num_alloc_retries", 0))}
        if gpu_facts.why_shared(open_nvml, self.uuid()) is None:
            # The context, cuDNN's and cuBLAS's own memory: what the allocator does not see.
            facts["driver_other"] = total - free - torch.cuda.memory_reserved()
        return facts

    def free_library_workspace(self) -> bool:
        """That of cuBLAS: the allocator gives it, for each thread that multiplies."""
        import torch

        if not hasattr(torch._C, "_cuda_clearCublasWorkspaces"):  # private: it may go
            return False
        torch.cuda.synchronize()
        torch._C._cuda_clearCublasWorkspaces()
        return True

    def free_memory(self) -> int:
        import torch

        free, _ = torch.cuda.mem_get_info()
        return free

    def warnings(self) -> list[CaseWarning]:
        shared = gpu_facts.why_shared(open_nvml, self.uuid())
        labels = [CaseWarning("no-driver-other", shared)] if shared else []
        slow = cuda_variables.slowing(os.environ)
        if slow:
            listed = "; ".join(f"{name}={value}: {EFFECTS[name]}" for name, value in slow.items())
            labels.append(CaseWarning("slow-cuda", listed))
        return labels


def _properties() -> Any:
    """Of the current device, by torch."""
    import torch

    return torch.cuda.get_device_properties(torch.cuda.current_device())


def _highest_mhz(uuid: str) -> float | None:
    """Of the SM clock; None where NVML does not say it."""
    try:
        return by_torch_uuid(open_nvml(), uuid).max_sm_clock_mhz()
    except UnreadableError:
        return None


DEVICE = Cuda()
